"""Upsampling in exported graphs: each form that lowers, step by step exactly, and the sentence of each other.

Nearest lowers where it repeats pixels, linear where its weights are multiples of a power of two.
"""

import numpy as np
import pytest
from onnx import helper, numpy_helper

from hw_build.base.errors import LoweringError
from hw_build.flow.check import check
from hw_build.lowering import execute_codes, set_input_size
from hw_build.lowering.intake import normalise
from tests.hw_build.test_intake import assert_exact, lowered
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


def linear(factor, by="scales", *, bits=4, size=None, **attributes):
    """change(net, tensor) for `network`: a linear Resize between quantizers, to ``factor`` or to ``size``."""

    def change(net, tensor):
        pooled = net.pool(tensor, "pool")
        sides = size or (8 * factor, 8 * factor)
        if by == "scales":
            inputs = [pooled, "", net.const("scales", [1, 1, sides[0] / 8, sides[1] / 8])]
        else:
            net.constants.append(numpy_helper.from_array(np.array([1, net.channels[tensor], *sides]), "sizes"))
            inputs = [pooled, "", "", "sizes"]
        net.nodes.append(helper.make_node("Resize", inputs, ["up_up"], name="n_up", **attributes))
        net.channels["up_up"], net.scales["up_up"] = net.channels[tensor], net.scales[tensor]
        return net.conv_bn(net.requantize("up_up", net.scales[tensor], name="up"), 4, 3, "after")

    return network(change)


HALF_PIXEL = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}


@pytest.mark.parametrize(
    ("factor", "by", "attributes"),
    [
        (4, "sizes", {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in ((2, "sizes", HALF_PIXEL), (4, "scales", HALF_PIXEL), (8, "scales", {"mode": "linear"}))
        ),
    ],
)
def test_linear_by_powers_of_two(factor, by, attributes):
    assert_exact(linear(factor, by, **attributes).model)


def test_linear_of_another_size():
    model = normalise(linear(4, "sizes", **HALF_PIXEL))
    codes = np.random.default_rng(4).integers(0, 256, (1, 18, 22, 3), dtype=np.uint8)
    expected = execute_codes(lowered(set_input_size(linear(4, **HALF_PIXEL), 18, 22)), codes)
    np.testing.assert_array_equal(execute_codes(set_input_size(lowered(model), 18, 22), codes), expected)


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"factor": 3}, r"resizes 8x8 to 24x24 by linear: only a factor of 2, 4, 8, 16 or 32, the same for"),
        ({"factor": 2, "size": (16, 32)}, "resizes 8x8 to 16x32 by linear: only a factor of 2"),
        ({"factor": 1, "size": (15, 17), "by": "sizes"}, "resizes 8x8 to 15x17 by linear: only a factor of 2"),
        ({"factor": 1, "size": (4, 4)}, "resizes 8x8 to 4x4 by linear: only a factor of 2"),
        ({"factor": 2, "coordinate_transformation_mode": "asymmetric"}, "resizes by linear, asymmetric: only bilinear"),
        (
            {"factor": 2, "coordinate_transformation_mode": "align_corners"},
            "resizes by linear, align_corners: its weights .*: train and export it with align_corners=False",
        ),
        (
            {"factor": 2, "coordinate_transformation_mode": "tf_crop_and_resize"},
            "resizes by linear, tf_crop_and_resize:",
        ),
        ({"factor": 2, "mode": "cubic"}, "resizes by cubic, half_pixel: only bilinear"),
        ({"factor": 2, "antialias": 1}, "resizes with antialias, which does nothing where .*: export it without"),
    ],
)
def test_other_linear_forms_are_one_sentence_in_check_and_in_the_build(form, sentence, tmp_path):
    model = linear(**{"mode": "linear"} | form)
    model.model.opset_import[0].version = 18  # which has antialias
    model.save(str(tmp_path / "model.onnx"))
    (said,) = (verdict for verdict in check(tmp_path / "model.onnx") if not verdict.lowers)
    with pytest.raises(LoweringError, match=rf"node n_up \(Resize\) {sentence}") as error:
        lowered(normalise(model))
    assert (said.node, said.reason) == ("n_up", str(error.value).replace("node n_up (Resize)", "it"))
