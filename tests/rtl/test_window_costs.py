"""Cost models of parallel windows and of products from tables, at the sizes of CMUNeXt-XXS, against Yosys."""

import pytest
from qonnx.custom_op.registry import getCustomOp

from hw_build.implement.synth.cells import utilization
from hw_build.implement.synth.yosys import synthesise
from tests.rtl.kernel_bench import rtl_of
from tests.rtl.test_conv import conv_model
from tests.rtl.test_depthwise import depthwise_model

PART = "xc7z020clg400-1"
PARALLEL, TABLES = {"Window": "parallel"}, {"Multiplier": "lut"}
MODELS = {
    "stem": lambda: conv_model((256, 256, 3), 8, 3, simd=1, pe=4, x="UINT8", **PARALLEL),
    "stem_tables": lambda: conv_model((256, 256, 3), 8, 3, simd=3, pe=1, x="UINT8", **PARALLEL, **TABLES),
    "expansion": lambda: conv_model((256, 256, 8), 32, 1, simd=4, pe=8),
    "expansion_tables": lambda: conv_model((256, 256, 8), 32, 1, simd=8, pe=4, **TABLES),
    "projection": lambda: conv_model((256, 256, 32), 8, 1, simd=4, pe=8),
    "projection_tables": lambda: conv_model((256, 256, 32), 8, 1, simd=32, pe=1, **TABLES),
    "dense_serial": lambda: conv_model((128, 128, 8), 10, 3, simd=4, pe=10),
    "dense_serial_few_wide_words": lambda: conv_model((32, 32, 24), 16, 3, simd=4, pe=16),
    "dense_parallel": lambda: conv_model((256, 256, 8), 8, 3, simd=1, pe=8, **PARALLEL),
    "dense_tables": lambda: conv_model((256, 256, 8), 8, 3, simd=8, pe=1, **PARALLEL, **TABLES),
    "dense_tables_read_again": lambda: conv_model((256, 256, 8), 8, 3, simd=4, pe=2, **PARALLEL, **TABLES),
    "depthwise": lambda: depthwise_model(dim=(256, 256), channels=8, kernel=3, simd=9, residual=1),
    "depthwise_two_lanes": lambda: depthwise_model(dim=(128, 128), channels=10, kernel=3, pe=2, simd=9, residual=1),
    "depthwise_rows": lambda: depthwise_model(dim=(64, 64), channels=10, kernel=7, pe=2, simd=7, residual=1),
}
QUICK = ("depthwise",)


@pytest.mark.parametrize("kernel", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in MODELS])
def test_luts_within_15_percent_block_ram_and_multipliers_exact(kernel):
    model = MODELS[kernel]()
    op = getCustomOp(model.graph.node[0])
    rtl = rtl_of(model)
    used = utilization(synthesise(rtl.module, rtl.files, rtl.parameters))
    assert (op.bram_estimation(PART), op.dsp_estimation(PART)) == (used.bram18, used.dsps)
    assert op.lut_estimation(PART) == pytest.approx(used.luts, rel=0.15)
