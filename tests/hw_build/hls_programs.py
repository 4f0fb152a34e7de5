"""A lowered network as HLS program: compiled by g++ and compared, layer by layer and as a whole."""

import numpy as np

from hw_build.backends.hls.csim import compile_program, find_headers
from hw_build.backends.hls.execution import compare_layers
from hw_build.backends.hls.graph import hls_graph
from hw_build.backends.hls.network import read_network
from hw_build.backends.hls.program import write_program
from hw_build.backends.hls.sources import write_sources
from hw_build.lowering import lowering_steps
from hw_build.lowering.specialize import DEFAULT_PART


def lowered(model):
    """The graph of the step `lower`."""
    for step in lowering_steps(DEFAULT_PART):
        model = step.run(model)
        if step.name == "lower":
            return model
    raise AssertionError("there is no step lower")


def assert_exact_in_hls(model, codes, logits, folder, *, cycles_per_pixel):
    """Codes (N, H, W, C) give ``logits`` (N, H, W, 1) in C++, and each tensor is numpy's; the graph of the layers."""
    layers = hls_graph(lowered(model), DEFAULT_PART, cycles_per_pixel * codes.shape[1] * codes.shape[2])
    write_sources(layers, folder / "hls", DEFAULT_PART, 10.0)
    network = read_network(layers, folder / "hls")
    write_program(network, folder / "program")
    simulation = compile_program(network, folder / "program", find_headers(None))
    assert compare_layers(simulation, layers, codes[:1], folder) >= len(layers.graph.node)
    np.testing.assert_array_equal(simulation.run_whole(codes).reshape(logits.shape), logits)
    np.testing.assert_array_equal(simulation.run_sized(codes)[0].reshape(logits.shape), logits)
    return layers
