"""Trunc of both versions behind averages and sums: exact after every step, and each refusal."""

import copy

import numpy as np
import pytest
from onnx import helper

from hw_build.base.errors import LoweringError
from hw_build.flow.check import check, lowers
from hw_build.lowering.intake import normalise
from hw_build.stitch import stitch
from tests.hw_build.stalled_rtl import assert_exact_under_stalls
from tests.hw_build.synthetic import DOMAIN
from tests.hw_build.test_intake import assert_exact, execute_codes, lowered, network

AVERAGED = {"kernel_shape": [4, 4], "strides": [4, 4]}


def trunc(net, tensor, scale, bits, name="cut", *, scale_out=None, scale_of_codes=None, **attributes):
    """Of version 2 where there is a ``scale_out``; ``bits`` before and behind."""
    before, after = bits
    values = [scale, 0.0, before, *([] if scale_out is None else [scale_out]), after]
    names = [net.const(f"{name}_{place}", value) for place, value in enumerate(values)]
    net.node("Trunc", [tensor, *names], name, DOMAIN, **attributes)
    net.scales[name] = scale_out or scale
    return name


def enlarged(net, tensor, factor=4):
    net.node("Resize", [tensor, "", net.const("factors", [1, 1, factor, factor])], "up", mode="nearest",
             coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
    net.channels["up"], net.scales["up"] = net.channels[tensor], net.scales[tensor]
    return net.conv_bn("up", 4, 3, "after")


def averaged(scale=2.0**-3, *, relu=True, kernel=4, **attributes):
    """As Brevitas' TruncAvgPool2d is exported now: the average, whose scale is that of the codes by their number."""

    def change(net, tensor):
        codes = net.conv_bn(tensor, 4, 3, "codes", scale=scale, relu=relu)
        pads = [0, 0, 0, 0] if kernel == 4 else [1, 1, 1, 1]
        net.node("AveragePool", [codes], "mean", kernel_shape=[kernel] * 2, strides=[4, 4], pads=pads,
                 count_include_pad=1)  # fmt: skip
        fine = float(np.float32(scale) / np.float32(kernel**2))
        out = {"scale_out": scale, "signed": int(not relu)} | attributes
        cut = trunc(net, "mean", fine, (8, 4 if out["scale_out"] == scale else 8), **out)
        return enlarged(net, cut)

    model = network(change)
    model.model.opset_import.append(helper.make_opsetid(DOMAIN, 2))
    return model


def summed(scale=2.0**-3, bits=(8, 4), relu=True, number=16):
    """As it was exported once: the sum, whose scale stays."""

    def change(net, tensor):
        codes = net.conv_bn(tensor, 4, 3, "codes", scale=scale, relu=relu)
        net.node("AveragePool", [codes], "mean", **AVERAGED)
        net.node("Mul", ["mean", net.const("number", float(number))], "sum")
        return enlarged(net, trunc(net, "sum", scale, bits, rounding_mode="FLOOR"))

    return network(change)


FORMS = {
    "floor": lambda: averaged(rounding_mode="FLOOR"),
    "round": lambda: averaged(rounding_mode="round"),
    "up": lambda: averaged(rounding_mode="UP", relu=False),
    "floor_signed": lambda: averaged(rounding_mode="FLOOR", relu=False, narrow=1),
    "any_scale": lambda: averaged(0.137, rounding_mode="FLOOR"),
    "any_scale_round": lambda: averaged(0.0713, rounding_mode="ROUND", relu=False),
    "nine_by_sixteen": lambda: averaged(kernel=3, rounding_mode="FLOOR"),
    "finer_codes": lambda: averaged(rounding_mode="ROUND", scale_out=2.0**-9),
    "first_version": summed,
    "first_version_any_scale": lambda: summed(0.137),
    "first_version_signed": lambda: summed(relu=False),
}
QUICK = ("round", "any_scale", "first_version_signed")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FORMS]
)
def test_every_step_is_exact(name):
    assert_exact(FORMS[name]().model)


@pytest.mark.slow
def test_rtl_is_exact_under_stalls_and_check_names_its_kernel(tmp_path):
    model = FORMS["any_scale_round"]()
    model.save(str(tmp_path / "net.onnx"))
    verdicts = check(tmp_path / "net.onnx")
    assert lowers(verdicts)
    assert [verdict.kernel for verdict in verdicts if verdict.operator == "Trunc"] == ["Threshold_rtl"]
    model = normalise(model)
    codes = np.random.default_rng(3).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    design = stitch(lowered(copy.deepcopy(model)), tmp_path)
    assert_exact_under_stalls(design, codes, execute_codes(model, codes))


def behind_a_convolution(net, tensor):
    weight, _, scale = net.weights("plain", (4, 4, 1, 1), 4)
    net.node("Conv", [tensor, weight], "plain_conv")
    return trunc(net, "plain_conv", scale * net.scales[tensor], (9, 4))


def cut_of(*arguments, **named):
    return lambda net, tensor: trunc(net, tensor, *arguments, **named)


def inputs_left_out(net, tensor):
    cut = trunc(net, tensor, 0.125, (4, 3))
    del net.nodes[-1].input[3:]
    return cut


def two_scales(net, tensor):
    cut = trunc(net, tensor, 0.125, (4, 3))
    net.nodes[-1].input[1] = net.const("each", [0.125, 0.25, 0.125, 0.25])
    return cut


def zero_point(net, tensor):
    cut = trunc(net, tensor, 0.125, (4, 3))
    net.nodes[-1].input[2] = net.const("one", 1.0)
    return cut


REFUSED = {
    "range": (behind_a_convolution, "truncates values that no quantizer limits: put one before it"),
    "bits": (cut_of(2.0**-9, (16, 16)), r"gives codes from 0 to \d+: at most 8 bits lower"),
    "divisor": (cut_of(0.125, (4, 16)), r"divides integers by 0\.000244141: by 2\*\*-8 to 2\*\*24 lowers"),
    "widths": (cut_of(0.125, (4, 3.5)), r"has bit widths 4 and 3\.5: integers from 2 to 32 lower"),
    "rounding": (cut_of(0.125, (4, 3), rounding_mode="DICE"), "rounds by DICE: only ROUND, "),
    "scale": (cut_of(-0.125, (4, 3)), "has a scale that is not positive"),
    "inputs": (inputs_left_out, "must have 5 inputs, since its file says that QONNX' operators are of version 1: a"),
    "scales": (two_scales, "has a scale, zero point or bit width that is not one constant number"),
    "zero point": (zero_point, "has zero point 1: only zero point 0 lowers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    change, sentence = REFUSED[name]
    model = network(lambda net, tensor: net.conv_bn(change(net, tensor), 4, 3, "after"))
    with pytest.raises(LoweringError, match=rf"node n_cut \(Trunc\) {sentence}"):
        lowered(normalise(model))
