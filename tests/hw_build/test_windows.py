"""Convolutions of other strides, dilations, groups and pads in exported graphs: each step exact."""

import copy

import numpy as np
import pytest
import torch

from hw_build.kernels.rows import window_size
from hw_build.lowering import execute_codes
from hw_build.lowering.intake import normalise
from hw_build.operators.convolution import weight_matrix
from hw_build.stitch import stitch
from tests.hw_build.stalled_rtl import assert_exact_under_stalls
from tests.hw_build.test_intake import assert_exact, lowered
from tests.hw_build.test_intake import network as sized_network
from tests.hw_build.test_lowering_errors import network


@pytest.mark.parametrize(
    ("kernel", "settings"),
    [
        (3, {"strides": [2, 2]}),
        (3, {"strides": [2, 2], "pads": [0, 0, 1, 1]}),
        (1, {"strides": [2, 2]}),
        (4, {"strides": [4, 4], "pads": [0, 0, 0, 0]}),
        (3, {"dilations": [2, 2], "pads": [2, 2, 2, 2]}),
        (3, {"dilations": [3, 3], "pads": [3, 3, 3, 3], "strides": [2, 2]}),
        (3, {"group": 2}),
        (1, {"group": 4}),
        (3, {"group": 8, "strides": [2, 2]}),  # depthwise
        (5, {"group": 8, "dilations": [2, 2], "pads": [4, 4, 4, 4]}),
        (2, {"group": 8, "pads": [0, 0, 1, 1]}),
        (3, {"group": 8, "pads": [0, 0, 2, 2]}),
    ],
)
def test_convolutions(kernel, settings):
    def change(net, tensor):
        return net.conv_bn(tensor, 8, kernel, "other", **settings)

    assert_exact(network(change, out=8).model)


MULTIPLIED = [  # depthwise with several filters a channel: kernel, outputs, settings, whether its kernel takes it
    (3, 16, {"strides": [2, 2]}, True),
    (5, 24, {"dilations": [2, 2], "pads": [4, 4, 4, 4]}, True),
    (3, 16, {"relu": False}, True),
    (1, 24, {}, False),
]


def multiplied(kernel, outputs, settings):
    return network(lambda net, tensor: net.conv_bn(tensor, outputs, kernel, "other", group=8, **settings), out=8)


@pytest.mark.parametrize(
    "case", [each if at in (0, 2) else pytest.param(each, marks=pytest.mark.slow) for at, each in enumerate(MULTIPLIED)]
)
def test_depthwise_with_several_filters_a_channel(case):
    *parts, taken = case
    model = multiplied(*parts)
    made = {node.op_type for node in lowered(normalise(copy.deepcopy(model))).graph.node}
    assert (made >= {"ChannelGather_rtl", "DepthwiseConv_rtl"}) == taken
    assert_exact(model.model)


@pytest.mark.slow
def test_several_filters_a_channel_are_exact_in_simulated_rtl(tmp_path):
    model = normalise(multiplied(*MULTIPLIED[1][:3]))
    codes = np.random.default_rng(3).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    design = stitch(lowered(copy.deepcopy(model)), tmp_path)
    assert_exact_under_stalls(design, codes, execute_codes(model, codes))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_groups_as_a_matrix_are_torch(groups):
    random = np.random.default_rng(groups)
    weights, x = random.integers(-8, 8, (12, 8 // groups, 3, 2)), random.integers(0, 16, (1, 8, 3, 2))
    expected = torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(weights), groups=groups)
    found = x.transpose(0, 2, 3, 1).reshape(1, -1) @ weight_matrix(weights, groups)
    np.testing.assert_array_equal(found, expected.numpy().reshape(1, -1))


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "pads"),
    [(3, 2, 1, (1, 1, 1, 1)), (4, 3, 2, (0, 2, 1, 0)), (1, 2, 1, (0,) * 4)],
)
def test_sizes_are_torch(kernel, stride, dilation, pads):
    image = torch.nn.functional.pad(torch.zeros(1, 1, 17, 14), (pads[1], pads[3], pads[0], pads[2]))
    convolved = torch.nn.functional.conv2d(image, torch.zeros(1, 1, kernel, kernel), stride=stride, dilation=dilation)
    assert window_size((17, 14), (kernel,) * 2, pads, (stride,) * 2, (dilation,) * 2) == tuple(convolved.shape[2:])


@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
        {"kernel_shape": [5, 5], "strides": [1, 1], "pads": [2, 2, 2, 2]},
        {"kernel_shape": [2, 3], "strides": [1, 1]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
        {"kernel_shape": [3, 3], "strides": [3, 3], "dilations": [2, 2], "pads": [2, 2, 1, 1]},
        {"kernel_shape": [2, 2], "strides": [2, 2], "dilations": [2, 2]},
    ],
)
def test_max_pools(attributes):
    def change(net, tensor):
        net.node("MaxPool", [tensor], "pooled", **attributes)
        net.channels["pooled"], net.scales["pooled"] = net.channels[tensor], net.scales[tensor]
        return net.conv_bn("pooled", 4, 3, "after")

    assert_exact(network(change).model)


def of_odd_sides():
    def change(net, tensor):
        net.node("MaxPool", [tensor], "pooled", kernel_shape=[2, 2], strides=[2, 2])
        net.channels["pooled"], net.scales["pooled"] = net.channels[tensor], net.scales[tensor]
        return net.conv_bn("pooled", 4, 3, "after")

    return sized_network(change, size=(17, 13))


def test_a_max_pool_leaves_out_the_last_row_and_column_of_odd_sides():
    made = {node.op_type for node in lowered(normalise(of_odd_sides())).graph.node}
    assert "WindowMax_rtl" in made and "MaxPool2x2_rtl" not in made
    assert_exact(of_odd_sides().model, np.random.default_rng(4).integers(0, 256, (1, 17, 13, 3), dtype=np.uint8))


@pytest.mark.slow
def test_a_max_pool_of_odd_sides_is_exact_in_simulated_rtl(tmp_path):
    model = normalise(of_odd_sides())
    codes = np.random.default_rng(4).integers(0, 256, (2, 17, 13, 3), dtype=np.uint8)
    design = stitch(lowered(copy.deepcopy(model)), tmp_path)
    assert_exact_under_stalls(design, codes, execute_codes(model, codes))
