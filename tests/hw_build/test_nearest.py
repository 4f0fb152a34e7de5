"""Upsampling in exported graphs: each form of nearest that repeats pixels lowers, step by step exactly."""

import numpy as np
import pytest
from onnx import helper, numpy_helper

from tests.hw_build.test_intake import assert_exact
from tests.hw_build.test_lowering_errors import network

ASYMMETRIC = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}


@pytest.mark.parametrize(
    ("factor", "attributes"),
    [
        (2, {}),
        (2, ASYMMETRIC),
        (2, {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "round_prefer_floor"}),
        (3, {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_ceil"}),
        (4, ASYMMETRIC),
    ],
)
def test_forms_that_repeat_pixels(factor, attributes):
    def change(net, tensor):
        pooled = net.pool(tensor, "pool")
        scales = net.const("scales", [1, 1, factor, factor])
        net.node("Resize", [pooled, "", scales], "near", mode="nearest", **attributes)
        net.scales["near"] = net.scales[pooled]
        return net.conv_bn("near", 4, 3, "after")

    assert_exact(network(change).model)


@pytest.mark.parametrize("attributes", [{"mode": "nearest", **ASYMMETRIC}, {"mode": "linear"}])
@pytest.mark.parametrize("by", ["scales", "sizes"])
def test_channels_last_between_transposes(attributes, by):
    def change(net, tensor):
        pooled = net.pool(tensor, "pool")
        net.node("Transpose", [pooled], "last", perm=[0, 2, 3, 1])
        if by == "scales":
            net.node("Resize", ["last", "", net.const("scales", [1, 2, 2, 1])], "up", **attributes)
        else:
            net.constants.append(numpy_helper.from_array(np.array([1, 16, 16, net.channels[tensor]]), "sizes"))
            net.nodes.append(helper.make_node("Resize", ["last", "", "", "sizes"], ["up"], name="n_up", **attributes))
        net.node("Transpose", ["up"], "first", perm=[0, 3, 1, 2])
        net.channels["first"], net.scales["first"] = net.channels[tensor], net.scales[tensor]
        return net.conv_bn(net.quant("first", net.scales[tensor], name="again"), 4, 3, "after")

    assert_exact(network(change).model)
