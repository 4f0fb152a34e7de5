"""Transposed convolution and depth to space in exported graphs: against torch, and each step exact."""

import numpy as np
import pytest
import torch

from hw_build.base.errors import LoweringError
from hw_build.operators.transposed_convolution import phases
from tests.hw_build.test_intake import assert_exact
from tests.hw_build.test_lowering_errors import lower, network

# kernel, stride, padding, output padding: outputs exactly stride times as large
FORMS = [(2, 2, 0, 0), (3, 2, 1, 1), (4, 2, 1, 0), (2, 2, 1, 2), (4, 4, 0, 0), (5, 3, 1, 0), (1, 2, 0, 1), (6, 2, 2, 0)]


@pytest.mark.parametrize(("kernel", "stride", "padding", "more"), FORMS)
def test_phases_are_torch(kernel, stride, padding, more):
    random = np.random.default_rng(kernel)
    weights, x = random.integers(-8, 8, (3, 2, kernel, kernel)), random.integers(0, 16, (1, 3, 4, 5))
    x, weights = torch.from_numpy(x).double(), torch.from_numpy(weights).double()
    if more >= stride:  # torch refuses it: the same by cutting
        full = torch.nn.functional.pad(torch.nn.functional.conv_transpose2d(x, weights, stride=stride), (0, stride) * 2)
        expected = full[:, :, padding : padding + 4 * stride, padding : padding + 5 * stride]
    else:
        expected = torch.nn.functional.conv_transpose2d(x, weights, stride=stride, padding=padding, output_padding=more)
    filters, pads = phases(weights.numpy(), stride, (padding, padding))
    top, left, bottom, right = pads
    deep = torch.nn.functional.conv2d(torch.nn.functional.pad(x, (left, right, top, bottom)), torch.from_numpy(filters))
    by_channel = deep.reshape(1, stride**2, 2, 4, 5).swapaxes(1, 2).reshape(deep.shape)
    assert torch.equal(torch.nn.functional.pixel_shuffle(by_channel, stride), expected)


def transposed(net, tensor, out, kernel, stride, name, **attributes):
    """ConvTranspose, BN, Relu, Quant."""
    cin = net.channels[tensor]
    weight, _, _ = net.weights(name, (cin, out, kernel, kernel), 4)
    net.node("ConvTranspose", [tensor, weight], f"{name}_conv", strides=[stride, stride], **attributes)
    net.channels[f"{name}_conv"] = out
    net.scales[f"{name}_conv"] = net.scales[tensor]
    values = {"g": [1.0, -0.75, 0.5, 1.25], "b": [0.0, 0.5, 0.25, -0.125], "m": [0] * 4, "v": [4.0] * 4}
    names = [net.const(f"{name}_{kind}", np.array(value[:out])) for kind, value in values.items()]
    net.node("BatchNormalization", [f"{name}_conv", *names], f"{name}_bn", epsilon=0.0)
    net.node("Relu", [f"{name}_bn"], f"{name}_relu")
    return net.quant(f"{name}_relu", 2.0**-3, name=f"{name}_act")


@pytest.mark.parametrize(("kernel", "stride", "padding", "more"), [FORMS[0], FORMS[1], FORMS[2], FORMS[4]])
def test_transposed_convolutions(kernel, stride, padding, more):
    def change(net, tensor):
        pooled = net.pool(tensor, "pool")
        more_or_less = {"pads": [padding] * 4, "output_padding": [more] * 2}
        return transposed(net, pooled, 4, kernel, stride, "up", **more_or_less)

    model = network(change)
    assert_exact(model.model)
    lowered = lower(model)
    kinds = [node.op_type for node in lowered.graph.node]
    assert "DepthToSpace_rtl" in kinds and "ConvTranspose" not in kinds
    assert kinds.count("ConvThreshold_rtl") >= 3


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_pixel_shuffle(mode):
    def change(net, tensor):
        deep = net.conv_bn(net.pool(tensor, "pool"), 16, 3, "deep")
        net.node("DepthToSpace", [deep], "shuffled", blocksize=2, mode=mode)
        net.channels["shuffled"], net.scales["shuffled"] = 4, net.scales[deep]
        return net.conv_bn("shuffled", 4, 3, "after")

    assert_exact(network(change).model)


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"group": 2}, "is a transposed convolution with group=2: only group=1 lowers"),
        ({"dilations": [2, 2]}, r"has strides \[2, 2\] and dilations \[2, 2\]: equal strides of 2 or more"),
        ({"pads": [1, 1, 1, 1]}, "makes 14x14 of 8x8: only outputs exactly 2 times as large lower"),
    ],
)
def test_what_does_not_lower(attributes, sentence):
    def change(net, tensor):
        return transposed(net, net.pool(tensor, "pool"), 4, 2, 2, "up", **attributes)

    with pytest.raises(LoweringError, match=rf"node n_up_conv \(ConvTranspose\) {sentence}"):
        lower(network(change))
