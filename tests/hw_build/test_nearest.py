"""Nearest upsampling in exported graphs: each form that repeats pixels lowers, step by step exactly."""

import pytest

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
