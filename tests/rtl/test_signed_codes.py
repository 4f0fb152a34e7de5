"""Signed codes in every kernel that multiplies or thresholds: RTL under stalls, netlists, cost models, lines."""

import itertools
from functools import partial

import numpy as np
import pytest
from qonnx.core.datatype import DataType
from qonnx.custom_op.registry import getCustomOp

from hw_build.base.errors import ConfigError
from hw_build.implement.synth.cells import utilization
from hw_build.implement.synth.yosys import synthesise
from tests.rtl import line_models
from tests.rtl.kernel_bench import KernelBench, rtl_of
from tests.rtl.netlist_bench import NetlistBench
from tests.rtl.test_conv import conv_model
from tests.rtl.test_depthwise import depthwise_model
from tests.rtl.test_stream_kernels import model_of

PART = "xc7z020clg400-1"
WIDTHS = (("INT2", "INT2"), ("INT4", "UINT4"), ("UINT4", "INT4"), ("INT3", "INT6"), ("INT8", "INT8"))
CONVOLUTIONS = {
    "serial": {"kernel": 3, "pe": 4, "simd": 2},
    "one_sum_a_multiplier": {"kernel": 3, "pe": 2, "simd": 1, "NarrowWeights": 0},
    "parallel": {"kernel": 3, "pe": 2, "simd": 2, "Window": "parallel"},
    "tables": {"kernel": 3, "pe": 1, "simd": 4, "Window": "parallel", "Multiplier": "lut"},
    "serial_tables": {"kernel": 3, "pe": 2, "simd": 2, "Multiplier": "lut", "extreme": True},
    "pointwise": {"kernel": 1, "pe": 4, "simd": 4},
    "pointwise_tables": {"kernel": 1, "pe": 2, "simd": 4, "Multiplier": "lut"},
}
DEPTHWISE = {
    "columns": {"kernel": 3, "simd": 3},
    "columns_serial": {"kernel": 3, "simd": 1},
    "windows": {"kernel": 3, "pe": 2, "simd": 3},
    "windows_at_once": {"kernel": 3, "pe": 4, "simd": 9},
}


def conv(x="INT4", y="INT4", *, kernel=3, **options):
    return conv_model((5, 4, 4), 4, kernel, x=x, y=y, **options)


def depthwise(x="INT4", y="INT4", **options):
    return depthwise_model(dim=(4, 5), channels=4, x=x, y=y, **options)


def steps_over(low, high, rows, codes, lowest, seed=3):
    """Thresholds (rows, n) below, between and above ``low``..``high``, for ``codes`` from ``lowest`` on."""
    count = int(DataType[codes].max()) - lowest
    return np.sort(np.random.default_rng(seed).integers(low - 2, high + 3, (rows, count)), axis=1)


def threshold(x="INT6", y="INT4", lowest=-8, rows=4):
    low, high = int(DataType[x].min()), int(DataType[x].max())
    return model_of(
        "Threshold_rtl", dim=(3, 5), channels=4, x=x, constants={1: steps_over(low, high, rows, y, lowest)}, PE=2,
        ThresholdRows=rows, outputDataType=y, LowestCode=lowest,
    )  # fmt: skip


def added(types=("INT4", "INT4"), y="INT4", lowest=-8, rows=1, times=(1, 1)):
    low, high = (int(np.dot(times, [getattr(DataType[t], end)() for t in types])) for end in ("min", "max"))
    return model_of(
        "StreamAddThreshold_rtl", dim=(4, 5), channels=4, streams=2, types=list(types), PE=2, inputDataType2=types[1],
        constants={2: steps_over(low, high, rows, y, lowest)}, outputDataType=y, LowestCode=lowest, Times=list(times),
    )  # fmt: skip


def upsampled(x="INT4", y="INT4", lowest=-7, rows=1):
    low, high = 16 * int(DataType[x].min()), 16 * int(DataType[x].max())
    return model_of(
        "BilinearThreshold2x_rtl", dim=(3, 5), channels=4, x=x, constants={1: steps_over(low, high, rows, y, lowest)},
        PE=2, outputDataType=y, LowestCode=lowest,
    )  # fmt: skip


SIGNED_EIGHT = {"x": "INT8", "w": "INT8", "y": "INT8"}


def lined_conv(narrow=False, **options):
    model = conv_model((4, 6, 3), 4, 3, **{**SIGNED_EIGHT, "narrow": narrow, **options})
    steps = line_models.straight_thresholds(4, 255 - narrow, 217.0, -28000)
    return line_models.lined(model, {2: steps}, {"LineBits"})


def lined_depthwise(residual, **options):
    model = depthwise_model(dim=(4, 5), channels=4, kernel=3, residual=residual, **SIGNED_EIGHT, **options)
    steps = {2: line_models.straight_thresholds(4, 255, 181.0, -24000)}
    if residual:
        steps[3] = line_models.straight_thresholds(1, 255, 2.0, -256)
    return line_models.lined(model, steps, {"LineBits", "SumShift"} if residual else {"LineBits"})


def lined_threshold():
    model = threshold("INT14", "INT8", -127)
    return line_models.lined(model, {1: line_models.straight_thresholds(4, 254, 23.0, -2500)}, {"LineBits"})


def lined_sum():
    model = added(("INT8", "INT8"), "INT8", -128)
    return line_models.lined(model, {2: line_models.straight_thresholds(1, 255, 2.0, -256)}, {"SumShift"})


def lined_upsampling():
    model = upsampled("INT8", "INT8", -128)
    return line_models.lined(model, {1: line_models.straight_thresholds(1, 255, 16.0, -2048)}, {"SumShift"})


MODELS = {
    "conv": partial(conv, pe=4, simd=2),
    "conv_odd": lambda: conv_model((4, 4, 4), 3, 1, pe=3, simd=2, x="INT4", y="INT4"),
    "conv_narrow": partial(conv, pe=2, simd=1, narrow=True, Window="parallel"),
    "conv_tables": partial(conv, "INT5", "INT3", simd=4, narrow=True, Window="parallel", Multiplier="lut"),
    "conv_raw": lambda: conv_model((4, 4, 4), 3, 1, pe=3, simd=1, x="INT4", w="INT8", raw=True),
    "conv_line": partial(lined_conv, pe=4, simd=3),
    "conv_line_narrow": partial(lined_conv, narrow=True, pe=2, simd=3, Window="parallel", Multiplier="lut"),
    "conv_line_signed_codes_of_unsigned_ones": partial(lined_conv, pe=2, simd=1, x="UINT8"),
    "columns": partial(depthwise, kernel=3, simd=3, residual=1),
    "columns_of_other_codes": partial(
        depthwise, "INT3", "INT5", kernel=5, simd=5, residual=1, between="UINT4", shared=False
    ),
    "columns_serial_narrow": partial(depthwise, kernel=3, residual=1, narrow=True),
    "columns_alone": partial(depthwise, "INT4", "INT6", kernel=3, simd=3),
    "columns_line": partial(lined_depthwise, 1, simd=3),
    "columns_line_alone": partial(lined_depthwise, 0, simd=1),
    "windows": partial(depthwise, kernel=3, pe=2, simd=3, residual=1, narrow=True),
    "windows_to_unsigned": partial(depthwise, "INT4", "UINT4", kernel=3, pe=4, simd=9, residual=1, between="INT4"),
    "windows_alone": partial(depthwise, "INT2", "INT3", kernel=5, pe=2, simd=25),
    "windows_line": partial(lined_depthwise, 1, pe=2, simd=9),
    "threshold": threshold,
    "threshold_narrow": partial(threshold, "UINT6", "INT4", -7, 1),
    "threshold_line": lined_threshold,
    "add_threshold": added,
    "add_threshold_of_both_kinds": partial(added, ("UINT4", "INT5"), "INT3", -3, 4, (3, 2)),
    "add_threshold_to_unsigned": partial(added, ("INT4", "INT3"), "UINT4", 0),
    "add_threshold_shift": lined_sum,
    "bilinear_threshold": upsampled,
    "bilinear_threshold_to_unsigned": partial(upsampled, "INT4", "UINT3", 0, 4),
    "bilinear_threshold_shift": lined_upsampling,
}
QUICK = ("conv", "columns", "add_threshold")


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in MODELS])
def test_every_frame_is_exact_under_stalls(name):
    KernelBench(MODELS[name]()).check_all_patterns()


@pytest.mark.slow
@pytest.mark.parametrize(("x", "y"), WIDTHS)
@pytest.mark.parametrize("form", CONVOLUTIONS)
def test_convolutions_of_all_widths(form, x, y):
    KernelBench(conv(x, y, **CONVOLUTIONS[form])).check_all_patterns()


@pytest.mark.slow
@pytest.mark.parametrize(("x", "y"), WIDTHS)
@pytest.mark.parametrize(("form", "residual"), list(itertools.product(DEPTHWISE, (0, 1))))
def test_depthwise_of_all_widths(form, residual, x, y):
    KernelBench(depthwise(x, y, residual=residual, **DEPTHWISE[form])).check_all_patterns()


NETLISTS = (
    "conv",
    "conv_odd",
    "conv_tables",
    "conv_line",
    "columns",
    "windows",
    "threshold",
    "add_threshold_of_both_kinds",
)


@pytest.mark.parametrize("name", [n if n == "conv" else pytest.param(n, marks=pytest.mark.slow) for n in NETLISTS])
def test_netlists(name):
    NetlistBench(MODELS[name](), num_frames=2).check_all_patterns()


FOUR = {"x": "INT4", "y": "INT4"}
COSTS = {
    "expansion": partial(conv_model, (64, 64, 16), 96, 1, simd=4, pe=8, **FOUR),
    "expansion_tables": partial(conv_model, (64, 64, 16), 96, 1, simd=8, pe=4, Multiplier="lut", **FOUR),
    "projection": partial(conv_model, (64, 64, 96), 16, 1, simd=4, pe=8, y="INT4"),
    "odd": partial(conv_model, (64, 64, 48), 12, 1, simd=3, pe=3, **FOUR),
    "products_in_luts": partial(conv_model, (32, 32, 16), 8, 1, simd=4, pe=4, NarrowWeights=0, **FOUR),
    "dense": partial(conv_model, (64, 64, 8), 8, 3, simd=1, pe=8, Window="parallel", **FOUR),
    "eight_bits": partial(conv_model, (32, 32, 16), 8, 1, simd=4, pe=4, w="INT8", x="INT8", y="INT5"),
    "columns": partial(depthwise_model, dim=(64, 64), channels=12, kernel=7, simd=7, residual=1, **FOUR),
    "columns_serial": partial(depthwise_model, dim=(32, 32), channels=16, kernel=3, **FOUR),
    "windows": partial(depthwise_model, dim=(64, 64), channels=10, kernel=3, pe=2, simd=3, **FOUR),
    "windows_at_once": partial(depthwise_model, dim=(64, 64), channels=8, kernel=3, simd=9, residual=1, **FOUR),
    "threshold_line": lined_threshold,
    "add_threshold": added,
    "bilinear_threshold": lambda: model_of(
        "BilinearThreshold2x_rtl", dim=(64, 64), channels=8, x="INT4", constants={1: np.arange(-120, 120, 16)[None]},
        outputDataType="INT4", LowestCode=-8,
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", COSTS)
def test_cost_models(name):
    model = COSTS[name]()
    op, rtl = getCustomOp(model.graph.node[0]), rtl_of(model)
    used = utilization(synthesise(rtl.module, rtl.files, rtl.parameters))
    assert (op.bram_estimation(PART), op.dsp_estimation(PART)) == (used.bram18, used.dsps)
    assert op.lut_estimation(PART) == pytest.approx(used.luts, rel=0.15)


def test_signed_codes_that_their_type_does_not_hold_are_refused():
    for model, sentence in (
        (threshold("INT6", "INT4", -8), "15 thresholds give codes -9 to 6, which outputDataType=INT4 cannot hold"),
        (added(), "15 thresholds give codes -9 to 6, which outputDataType=INT4 cannot hold; widen it"),
    ):
        getCustomOp(model.graph.node[0]).set_nodeattr("LowestCode", -9)
        with pytest.raises(ConfigError, match=sentence):
            KernelBench(model)
