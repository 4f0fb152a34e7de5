"""Every rounding mode of QONNX lowers exactly, ties included: into thresholds, or a line where that is the same."""

import copy

import numpy as np
import pytest
from qonnx.custom_op.general.intquant import int_quant, max_int, min_int

from hw_build.base.errors import MismatchError
from hw_build.graph.editor import GraphEditor, attribute, set_attribute
from hw_build.graph.rounding import ROUNDING_MODES, code_thresholds
from hw_build.lowering import STEPS, execute_codes, execute_context, verify
from hw_build.lowering.execution import to_logits
from tests.hw_build import synthetic

CODES = np.random.default_rng(5).integers(0, 256, (1, 16, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("mode", ROUNDING_MODES)
@pytest.mark.parametrize("scale", [0.25, 0.298857, 1.0, 3.7e-3])
@pytest.mark.parametrize(("signed", "narrow", "bits"), [(0, 0, 4), (1, 0, 4), (1, 1, 3), (0, 1, 2)])
def test_thresholds_are_the_first_floats_of_their_codes(mode, scale, signed, narrow, bits):
    scale, bits = np.float32(scale), np.asarray(bits)
    lowest, highest = int(min_int(signed, narrow, bits)), int(max_int(signed, narrow, bits))
    codes = np.arange(lowest + 1, highest + 1)
    first = code_thresholds(codes, float(scale), mode)
    before = np.nextafter(first, np.float32(-np.inf))
    for values, expected in ((first, codes), (before, codes - 1)):
        found = int_quant(values, scale, np.float32(0), bits, signed, narrow, mode) / scale
        np.testing.assert_array_equal(np.rint(found), expected)


def lower_exactly(model, tmp_path, codes=CODES):
    """Every step verified; the lowered graph."""
    expected = execute_codes(model, codes)
    for step in STEPS:
        after = step.run(copy.deepcopy(model))
        verify(model, after, codes, tmp_path, step.name)
        model = after
    np.testing.assert_array_equal(execute_codes(model, codes), expected)
    return GraphEditor(model)


def full_of_ties(mode, bits):
    """Sum, upsampling and a layer, whose outputs lie on the quantizers' ties as often as not; codes of both signs."""
    net = synthetic.Net(seed=2, act_bits=bits)
    unit = 2.0 ** -(bits - 1)
    codes = net.quant(net.image(), unit, name="codes")
    low = net.pool(codes, "low")
    up = net.node("Resize", [low, "", net.const("twice", [1, 1, 2, 2])], "up", mode="linear",
                  coordinate_transformation_mode="half_pixel")  # fmt: skip
    up = net.quant(up, unit, name="up_q")
    total = net.quant(net.node("Add", [codes, up], "sum"), 2 * unit, name="sum_q")
    weight, _, step = net.weights("layer", (4, 3, 1, 1), 4)
    layer = net.node("Conv", [total, weight], "layer_conv", kernel_shape=[1, 1])
    net.channels[layer] = 4
    signed = net.quant(layer, 4 * step * 2 * unit, bits=bits, signed=1, name="layer_q")
    model = net.model(net.head(signed), 16, 32)
    for node in model.graph.node:
        if node.op_type == "Quant" and node.output[0] in ("codes", "up_q", "sum_q", "layer_q"):
            set_attribute(node, "rounding_mode", mode)
    return model


@pytest.mark.parametrize("mode", ROUNDING_MODES)
def test_ties_lower_exactly(mode, tmp_path):
    model = full_of_ties(mode, 4)
    tensors = execute_context(model, CODES)
    ties = [tensors["up"] / 2.0**-3, tensors["sum"] / 2.0**-2, tensors["layer_conv"] / 2.0**-3]
    assert all(np.mean(np.abs(values % 1 - 0.5) < 1e-9) > 0.02 for values in ties)
    graph = lower_exactly(model, tmp_path)
    assert graph.of_type("BilinearThreshold2x_rtl") and graph.of_type("StreamAddThreshold_rtl")


@pytest.mark.parametrize("mode", ["HALF_UP", "ROUND", "FLOOR"])
def test_a_shift_is_taken_only_where_it_rounds_alike(mode, tmp_path):
    """Of 255 thresholds the kernel would rather shift a sum; to even it cannot, and thresholds take its place."""
    graph = lower_exactly(full_of_ties(mode, 8), tmp_path)
    shifted = [node for node in graph.nodes if attribute(node, "SumShift", -1) >= 0]
    assert bool(shifted) == (mode != "ROUND")
    if mode == "ROUND":
        assert graph.of_type("BilinearUpsample_rtl") and graph.of_type("Threshold_rtl")


@pytest.mark.parametrize("divisor", [1.7, 0.3, 5.1])
def test_float_division_that_rounds_onto_a_tie_lowers_exactly(divisor, tmp_path):
    """acc / 1.7 is no float: where float32 rounds it onto a tie, the threshold follows."""
    net = synthetic.Net(seed=1)
    weight, _, step = net.weights("layer", (4, 3, 1, 1), 4)
    layer = net.node("Conv", [net.image(), weight], "layer_conv", kernel_shape=[1, 1])
    net.channels[layer] = 4
    unit = step * 2.0**-8
    quotient = net.node("Div", [layer, net.const("divisor", divisor)], "quotient")
    codes = net.quant(net.node("Relu", [quotient], "positive"), unit * 40, name="codes")
    model = net.model(net.head(codes), 16, 32)
    ramp = np.arange(16 * 32 * 3).reshape(1, 16, 32, 3) % 256
    lower_exactly(model, tmp_path, ramp.astype(np.uint8))


def test_threshold_of_a_quotient_is_where_float32_says():
    """2176 / 2048 / 1.7 is 5 / 8 exactly; float32(1.7) is larger, but the quotient rounds to 5 / 8 again: a tie."""
    net = synthetic.Net(seed=1)
    weight, _, step = net.weights("layer", (1, 3, 1, 1), 4)
    layer = net.node("Conv", [net.image(), weight], "layer_conv", kernel_shape=[1, 1])
    net.channels[layer] = 1
    assert step * 2.0**-8 == 1 / 2048
    quotient = net.node("Div", [layer, net.const("divisor", 1.7)], "quotient")
    codes = net.quant(quotient, 0.25, name="codes")
    model = net.model(net.head(codes), 16, 16)
    model.set_initializer("layer_float", np.full((1, 3, 1, 1), 7 * step, np.float32))
    set_attribute(next(node for node in model.graph.node if node.output[0] == "codes"), "rounding_mode", "HALF_UP")
    for lower in STEPS[:2]:
        model = lower.run(model)
    graph = GraphEditor(model)
    thresholds = graph.constants[graph.producer("codes_codes").input[1]]
    assert thresholds[0, 2] == 2176
    assert np.float32(2176 / 2048) / np.float32(1.7) == np.float32(0.625)


def test_float_scales_lower_exactly_but_for_the_rounding_of_float_logits(tmp_path):
    net = synthetic.Net(seed=4)
    stem = net.conv_bn(net.image(), 4, 3, "stem", bits=8)
    model = net.model(net.head(net.conv_bn(stem, 6, 3, "more")), 16, 32)
    for name in ("stem_act_s", "more_act_s", "head_w_s"):
        model.set_initializer(name, (model.get_initializer(name) * 1.1953).astype(np.float32))
    bias = np.float32(model.get_initializer("head_w_s") * model.get_initializer("more_act_s"))
    model.set_initializer("head_b_s", bias)
    model.set_initializer("head_bias", np.asarray([-37 * bias], np.float32))
    lower_exactly(model, tmp_path)


@pytest.mark.parametrize(("step", "offset", "fine"), [(0.25, 1e-6, False), (0.3, 1e-6, True), (0.3, 0.1, False)])
def test_logits_off_their_grid(step, offset, fine):
    values = np.array([3 * step, -2 * step + offset])
    if fine:
        np.testing.assert_array_equal(to_logits(values, step), [3, -2])
    else:
        with pytest.raises(MismatchError, match=r"not whole multiples of the output scale 0\.\d+: up to"):
            to_logits(values, step)
