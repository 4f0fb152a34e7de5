"""Networks that Brevitas made, as HLS accelerators: each layer's C++ and the whole program, compiled and exact."""

import numpy as np
import pytest
import torch
from qonnx.core.modelwrapper import ModelWrapper

from hw_build.backends.hls.check import check_hls
from hw_build.backends.hls.csim import compile_program, find_headers
from hw_build.backends.hls.execution import compare_layers
from hw_build.backends.hls.graph import hls_graph
from hw_build.backends.hls.network import read_network
from hw_build.backends.hls.program import write_program
from hw_build.backends.hls.sources import write_sources
from hw_build.base.export import read_export
from hw_build.cli.main import main
from hw_build.flow.check import lowers
from hw_build.lowering import lowering_steps
from hw_build.lowering.specialize import DEFAULT_PART
from tests.zoo.test_zoo import exported

torch.set_num_threads(1)

CYCLES_PER_PIXEL = 7  # most layers fold, and by numbers that do not divide each other
NETWORKS = (  # every structure of the zoo once
    "unet_of_nearest", "unet_of_transposed", "transposed_3x3_and_4x4_fixed", "pixel_shuffle", "stem_pool_3x3",
    "spp_fixed", "resnet_block_strided", "mobile_strided_fixed", "aspp", "grouped_4x4_strided", "dense", "five_readers",
    "inverted_bottleneck_signed", "post_activation", "kernels_2x2", "kernels_1x7_7x1", "two_levels", "unet_of_sums",
    "unet_of_joins_fixed", "w8a8", "channels_of_their_own_scale", "biases_fixed", "head_of_3x3",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_brevitas_networks_are_exact_in_hls(name, tmp_path):
    exported(name, tmp_path / "net.onnx")
    assert main(["adopt", str(tmp_path / "net.onnx"), "--out", str(tmp_path / "export")]) == 0
    golden = read_export(tmp_path / "export")
    assert lowers(check_hls(golden.model))
    model = ModelWrapper(str(golden.model))
    for step in lowering_steps(DEFAULT_PART):
        model = step.run(model)
        if step.name == "lower":
            break
    model = hls_graph(model, DEFAULT_PART, CYCLES_PER_PIXEL * golden.size[0] * golden.size[1])
    write_sources(model, tmp_path / "hls", DEFAULT_PART, 10.0)
    network = read_network(model, tmp_path / "hls")
    write_program(network, tmp_path / "program")
    simulation = compile_program(network, tmp_path / "program", find_headers(None))
    compare_layers(simulation, model, golden.codes[:1], tmp_path)
    shape = golden.logits.shape
    np.testing.assert_array_equal(simulation.run_whole(golden.codes).reshape(shape), golden.logits)
    np.testing.assert_array_equal(simulation.run_sized(golden.codes)[0].reshape(shape), golden.logits)
