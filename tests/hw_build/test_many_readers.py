"""A tensor with many readers: one fork, in the graph, in `check` and in simulated RTL."""

import copy

import numpy as np
import pytest

from hw_build.flow.check import check, lowers
from hw_build.graph.editor import GraphEditor, attribute
from hw_build.lowering import execute_codes, lowering_steps
from hw_build.simulate.accelerator import simulate
from hw_build.stitch import stitch
from tests.hw_build import synthetic

CODES = np.random.default_rng(3).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)


def shared_by(readers):
    """A stem that so many convolutions read, summed."""
    net = synthetic.Net(seed=8)
    stem = net.conv_bn(net.image(), 2, 3, "stem", bits=8)
    total = net.conv_bn(stem, 2, 1, "part0")
    for number in range(1, readers):
        part = net.conv_bn(stem, 2, 1, f"part{number}", scale=net.scales[total])
        total = net.add(total, part, net.scales[total], name=f"sum{number}", relu=True)
    return net.model(net.head(total), 16, 16)


def lowered(model):
    for step in lowering_steps():
        model = step.run(model)
    return model


@pytest.mark.parametrize("readers", [2, 5, 11])
def test_each_reader_has_a_stream_of_its_own(readers):
    model = shared_by(readers)
    after = lowered(copy.deepcopy(model))
    graph = GraphEditor(after)
    (fork,) = graph.of_type("StreamFork_rtl")
    assert attribute(fork, "NumOutputs") == len(fork.output) == readers
    assert all(len(graph.consumers(name)) == 1 for name in fork.output)
    np.testing.assert_array_equal(execute_codes(after, CODES), execute_codes(model, CODES))


def test_six_readers_are_exact_in_simulated_rtl(tmp_path):
    model = shared_by(6)
    model.save(str(tmp_path / "six.onnx"))
    assert lowers(check(tmp_path / "six.onnx"))
    expected = execute_codes(model, CODES)
    design = stitch(lowered(model), tmp_path / "build")
    np.testing.assert_array_equal(simulate(design, CODES).logits, expected)
