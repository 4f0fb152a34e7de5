"""Cost models of the kernels against what Yosys makes of them: LUTs within 15%, block RAM exact."""

from functools import partial

import numpy as np
import pytest
from qonnx.custom_op.registry import getCustomOp

from hw_build.implement.synth.cells import utilization
from hw_build.implement.synth.yosys import synthesise
from tests.rtl import line_models
from tests.rtl.kernel_bench import rtl_of
from tests.rtl.test_conv import conv_model
from tests.rtl.test_depthwise import depthwise_model
from tests.rtl.test_stream_kernels import model_of

PART = "xc7z020clg400-1"
DEPTHWISE = {  # the levels of CMUNeXt-XXS: (image side, channels, kernel, SIMD)
    "level1": (256, 8, 3, 3),
    "level2": (128, 10, 3, 3),
    "level3": (64, 12, 7, 7),
    "level4": (32, 16, 7, 7),
    "level4_serial": (32, 16, 7, 1),
    "level5": (16, 24, 9, 9),
    "level5_serial": (16, 24, 9, 1),
    "level5_threes": (16, 24, 9, 3),
}
QUICK = ("level1",)


@pytest.mark.parametrize("level", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in DEPTHWISE])
def test_depthwise(level):
    side, channels, kernel, simd = DEPTHWISE[level]
    check(depthwise_model(dim=(side, side), channels=channels, kernel=kernel, simd=simd, residual=1))


STREAMS = {
    "add": lambda: model_of(
        "StreamAdd_rtl", dim=(64, 64), channels=8, streams=2, inputDataType2="UINT4", outputDataType="UINT5"
    ),
    "add_threshold": lambda: model_of(
        "StreamAddThreshold_rtl", dim=(64, 64), channels=8, streams=2, constants={2: np.arange(1, 31, 2)[None]},
        inputDataType2="UINT4", outputDataType="UINT4",
    ),
    "bilinear": lambda: model_of("BilinearUpsample_rtl", dim=(128, 128), channels=8),
    "bilinear_threshold": lambda: model_of(
        "BilinearThreshold2x_rtl", dim=(128, 128), channels=8, constants={1: np.arange(8, 240, 16)[None]},
        outputDataType="UINT4",
    ),
    **{f"bilinear_{side}_{c}_{pe}": partial(model_of, "BilinearUpsample_rtl", dim=(side, side), channels=c, PE=pe)
       for side, c, pe in ((8, 24, 1), (16, 24, 3), (64, 10, 2), (128, 8, 8))},
    **{f"bilinear_by_{factor}_{x}_{side}_{c}_{pe}": partial(
        model_of, "BilinearUpsample_rtl", dim=(side, side), channels=c, PE=pe, x=x, Factor=factor,
    ) for factor, x, side, c, pe in (
        (4, "UINT4", 32, 8, 1), (4, "UINT4", 32, 8, 8), (4, "INT8", 16, 4, 4), (4, "UINT4", 64, 16, 2),
        (8, "UINT4", 16, 8, 1), (8, "UINT8", 32, 4, 2), (16, "UINT4", 8, 4, 2),
    )},
    **{f"pool_{side}_{c}_{pe}": partial(model_of, "MaxPool2x2_rtl", dim=(side, side), channels=c, PE=pe)
       for side, c, pe in ((256, 8, 1), (256, 8, 8), (128, 10, 1), (64, 12, 3), (32, 16, 16), (16, 16, 1))},
    **{f"fork_{n}_{pe}": partial(
        model_of, "StreamFork_rtl", dim=(64, 64), channels=8, PE=pe, num_outputs=n, NumOutputs=n
    ) for n in (2, 3, 4) for pe in (1, 4)},
    **{f"concat_{pe}": partial(
        model_of, "StreamConcat_rtl", dim=(64, 64), channels=[24, 16], types=["UINT4"] * 2, PE=pe,
        inputDataType2="UINT4",
    ) for pe in (1, 2)},
    **{f"bias_{c}_{pe}": partial(
        model_of, "ChannelBias_rtl", dim=(64, 64), channels=c, x="INT10", PE=pe, outputDataType="INT11",
        constants={1: np.random.default_rng(1).integers(-400, 400, c)},
    ) for c, pe in ((1, 1), (8, 8), (24, 4))},
}  # fmt: skip
QUICK_STREAMS = ("pool_256_8_1", "fork_2_4")


@pytest.mark.parametrize(
    "kernel", [pytest.param(n, marks=[] if n in QUICK_STREAMS else pytest.mark.slow) for n in STREAMS]
)
def test_stream_kernels(kernel):
    check(STREAMS[kernel]())


LINES = {
    "columns": lambda: line_models.line_depthwise(dim=(256, 256), channels=8, kernel=3, simd=3),
    "columns_wide": lambda: line_models.line_depthwise(dim=(16, 16), channels=24, kernel=9, simd=9),
    "columns_serial": lambda: line_models.line_depthwise(dim=(32, 32), channels=16, kernel=7, simd=1),
    "windows": lambda: line_models.line_depthwise(dim=(64, 64), channels=8, kernel=3, pe=2, simd=3),
    "windows_at_once": lambda: line_models.line_depthwise(dim=(64, 64), channels=8, kernel=3, simd=9),
    "conv": lambda: line_models.line_conv((64, 64, 8), 16, 3, pe=4, simd=2),
    "threshold": lambda: line_models.line_threshold(),
    "bilinear": lambda: line_models.line_bilinear(dim=(64, 64)),
    "add": lambda: line_models.line_add(),
}
QUICK_LINES = ("threshold", "add")


@pytest.mark.parametrize("kernel", [pytest.param(n, marks=[] if n in QUICK_LINES else pytest.mark.slow) for n in LINES])
def test_kernels_with_lines(kernel):
    check(LINES[kernel]())


LUT_RAM = {
    "bilinear_16": partial(model_of, "BilinearUpsample_rtl", dim=(16, 16), channels=24),
    "bilinear_64": partial(model_of, "BilinearUpsample_rtl", dim=(64, 64), channels=12),
    "pool": partial(model_of, "MaxPool2x2_rtl", dim=(256, 256), channels=8),
    "columns_32": partial(depthwise_model, dim=(32, 32), channels=12, kernel=7, simd=7, residual=1),
    "columns_128": partial(depthwise_model, dim=(128, 128), channels=8, kernel=3, simd=3, residual=1),
    "windows": partial(depthwise_model, dim=(64, 64), channels=10, kernel=3, pe=2, simd=9, residual=1),
    "conv_32": partial(conv_model, (32, 32, 12), 16, 3, pe=16, simd=1),
    "conv_64": partial(conv_model, (64, 64, 12), 12, 3, pe=4, simd=4),
    "conv_128": partial(conv_model, (128, 128, 10), 10, 3, pe=10, simd=1),
    "conv_parallel": partial(conv_model, (64, 64, 8), 8, 3, pe=4, simd=1, Window="parallel"),
}
QUICK_LUT_RAM = ("pool",)


@pytest.mark.parametrize(
    "kernel", [pytest.param(n, marks=[] if n in QUICK_LUT_RAM else pytest.mark.slow) for n in LUT_RAM]
)
def test_rows_in_lut_ram(kernel):
    check(LUT_RAM[kernel](ram_style="distributed"))


WEIGHTS = {  # (image side, channels, outputs, kernel, PE, SIMD)
    "projection": (16, 240, 80, 1, 8, 2),
    "odd": (16, 64, 192, 1, 3, 4),
}


@pytest.mark.slow
@pytest.mark.parametrize("layer", WEIGHTS)
def test_weights_in_block_ram(layer):
    side, channels, outputs, kernel, pe, simd = WEIGHTS[layer]
    model = conv_model((side, side, channels), outputs, kernel, pe=pe, simd=simd, weight_style="block")
    assert getCustomOp(model.graph.node[0]).bram_estimation(PART) * 18_432 >= channels * outputs * kernel**2 * 4
    check(model)


def check(model):
    op = getCustomOp(model.graph.node[0])
    rtl = rtl_of(model)
    used = utilization(synthesise(rtl.module, rtl.files, rtl.parameters))
    assert op.bram_estimation(PART) == used.bram18
    assert op.dsp_estimation(PART) == used.dsps
    assert op.lut_estimation(PART) == pytest.approx(used.luts, rel=0.15)
