"""Averages of lines and rectangles, and gates of rows and columns: exact after every step and in simulated RTL."""

import copy

import numpy as np
import pytest
from onnx import helper

from hw_build.base.errors import ConfigError, LoweringError
from hw_build.lowering import execute_codes, set_input_size
from hw_build.lowering.intake import normalise
from hw_build.stitch import stitch
from tests.hw_build.stalled_rtl import assert_exact_under_stalls
from tests.hw_build.test_average_pool import lowered as lowered_to
from tests.hw_build.test_intake import assert_exact, lowered, network

SLOW = pytest.mark.slow


def averaged(kernel, strides):
    def change(net, tensor):
        net.node("AveragePool", [tensor], "pooled", kernel_shape=kernel, strides=strides)
        return net.conv_bn(net.quant("pooled", 2.0**-4), 4, 1, "after")

    return network(change)


def gated(net, tensor):
    """Each row's average, and each column's, open the image; the first by a ReduceMean."""
    net.nodes.append(helper.make_node("ReduceMean", [tensor], ["rows"], axes=[3], keepdims=1))
    net.node("AveragePool", [tensor], "columns", kernel_shape=[16, 1], strides=[1, 1])
    net.channels["rows"] = net.channels[tensor]
    for name in ("rows", "columns"):
        gate = net.quant(name, 2.0**-4)
        net.node("Mul", [tensor, gate], f"{name}_gated")
        net.channels[f"{name}_gated"] = net.channels[tensor]
        tensor = net.quant(f"{name}_gated", 2.0**-5)
    return net.conv_bn(tensor, 4, 3, "after")


@pytest.mark.parametrize(
    ("kernel", "strides", "kernels"),
    [
        ([2, 4], [2, 4], 2),
        pytest.param([1, 16], [1, 1], 1, marks=SLOW),
        pytest.param([16, 1], [16, 1], 1, marks=SLOW),
        pytest.param([4, 8], [4, 8], 2, marks=SLOW),
    ],
)
def test_blocks(kernel, strides, kernels):
    model = averaged(kernel, strides)
    nodes = [node.op_type for node in lowered(normalise(copy.deepcopy(model))).graph.node]
    assert nodes.count("BlockSum_rtl") == kernels and "WindowSum_rtl" not in nodes
    assert_exact(model.model)


@pytest.mark.slow
def test_gates_of_lines_are_exact_in_simulated_rtl(tmp_path):
    model = normalise(network(gated))
    made = lowered(copy.deepcopy(model))
    kinds = [node.op_type for node in made.graph.node]
    assert kinds.count("BlockSum_rtl") == kinds.count("StreamRepeat_rtl") == 2
    codes = np.random.default_rng(4).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    assert_exact_under_stalls(stitch(made, tmp_path), codes, execute_codes(model, codes))


def test_blocks_that_leave_pixels_out_are_refused():
    with pytest.raises(LoweringError, match=r"has kernel \[2, 3\] and strides \[2, 3\]: 2D windows with equal strides"):
        lowered(normalise(averaged([2, 3], [2, 3])))


@pytest.mark.parametrize("form", ["streamline", "specialize"])
def test_lines_belong_to_a_size(form):
    model = lowered_to(normalise(averaged([1, 16], [1, 1])), form)
    with pytest.raises(ConfigError, match="averages lines or blocks of 16x16 pixels, not 18x20: export the network at"):
        set_input_size(model, 18, 20)
