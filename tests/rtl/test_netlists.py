"""Every kernel as Yosys maps it, in xc7 cells, against its numpy reference."""

from functools import partial

import numpy as np
import pytest
from qonnx.custom_op.registry import getCustomOp

from tests.rtl import line_models
from tests.rtl.netlist_bench import NetlistBench
from tests.rtl.test_conv import conv_model
from tests.rtl.test_depthwise import depthwise_model
from tests.rtl.test_stream_kernels import model_of

MODELS = {
    "depthwise": lambda: depthwise_model(dim=(5, 6), channels=4, kernel=3, pe=2, simd=3, residual=1),
    "depthwise_parallel": lambda: depthwise_model(dim=(4, 5), channels=8, kernel=3, simd=9, residual=1),
    "depthwise_columns": lambda: depthwise_model(dim=(4, 5), channels=4, kernel=3, simd=3, residual=1),
    "depthwise_serial_block_ram": lambda: depthwise_model(dim=(5, 9), channels=8, kernel=9, simd=1, residual=1),
    "conv": lambda: conv_model((4, 5, 4), 4, 3, pe=4, simd=2),
    "conv_odd": lambda: conv_model((3, 3, 2), 3, 1, pe=3, simd=1),
    "conv_parallel": lambda: conv_model((4, 5, 4), 4, 3, pe=2, simd=2, Window="parallel"),
    "conv_tables": lambda: conv_model((4, 5, 4), 4, 3, pe=2, simd=2, Window="parallel", Multiplier="lut"),
    "conv_weights_block_ram": lambda: conv_model((2, 2, 64), 128, 1, pe=8, simd=4, weight_style="block"),
    "conv_pointwise_tables": lambda: conv_model((4, 5, 8), 8, 1, pe=2, simd=4, Multiplier="lut"),
    "conv_line": lambda: line_models.line_conv((3, 4, 3), 4, 3, pe=4, simd=3),
    "depthwise_columns_line": lambda: line_models.line_depthwise(dim=(4, 5), channels=4, kernel=3, simd=3),
    "depthwise_line": lambda: line_models.line_depthwise(dim=(3, 4), channels=4, kernel=3, pe=2, simd=3),
    "threshold_line": lambda: line_models.line_threshold(),
    "add_shift": lambda: line_models.line_add(),
    "bilinear_shift": lambda: line_models.line_bilinear(dim=(2, 3)),
    "fork": lambda: model_of("StreamFork_rtl", dim=(3, 5), channels=4, PE=2, num_outputs=3, NumOutputs=3),
    "add": lambda: model_of(
        "StreamAdd_rtl", dim=(3, 5), channels=4, streams=2, inputDataType2="UINT4", outputDataType="UINT5"
    ),
    "add_threshold": lambda: model_of(
        "StreamAddThreshold_rtl",
        dim=(3, 5),
        channels=4,
        streams=2,
        constants={2: np.arange(1, 31, 2)[None]},
        PE=2,
        inputDataType2="UINT4",
        outputDataType="UINT4",
    ),
    "bilinear_threshold": lambda: model_of(
        "BilinearThreshold2x_rtl",
        dim=(2, 3),
        channels=2,
        constants={1: np.arange(8, 240, 16)[None]},
        outputDataType="UINT4",
    ),
    "concat": lambda: model_of("StreamConcat_rtl", dim=(3, 5), channels=[4, 3], inputDataType2="UINT4"),
    "bias": lambda: model_of(
        "ChannelBias_rtl", dim=(3, 5), channels=4, constants={1: np.array([3, -5, 0, 9])}, outputDataType="INT6"
    ),
    "threshold": lambda: model_of(
        "Threshold_rtl",
        dim=(3, 5),
        channels=4,
        x="INT6",
        constants={1: np.arange(-30, 30).reshape(4, 15)},
        PE=2,
        ThresholdRows=4,
        outputDataType="UINT4",
    ),
    "maxpool": lambda: model_of("MaxPool2x2_rtl", dim=(4, 6), channels=4, PE=2),
    "maxpool_block_ram": lambda: model_of("MaxPool2x2_rtl", dim=(2, 128), channels=16, PE=1),
    "bilinear": lambda: model_of("BilinearUpsample_rtl", dim=(3, 4), channels=4, PE=2),
    "bilinear_by_4": lambda: model_of("BilinearUpsample_rtl", dim=(3, 2), channels=4, PE=2, Factor=4),
}
ROWS = {  # so many rows that they lie in block RAM unless ram_style says otherwise
    "conv": partial(conv_model, (3, 24, 16), 4, 3, pe=4, simd=1),
    "depthwise": partial(depthwise_model, dim=(3, 64), channels=16, kernel=3, simd=9),
    "depthwise_columns": partial(depthwise_model, dim=(3, 32), channels=16, kernel=3, simd=3, residual=1),
    "maxpool": partial(model_of, "MaxPool2x2_rtl", dim=(2, 128), channels=16),
    "bilinear": partial(model_of, "BilinearUpsample_rtl", dim=(2, 32), channels=16),
}

# other foldings and memories of kernels whose netlist runs by default
SLOW = {
    "conv_odd", "conv_line", "conv_parallel", "conv_tables", "conv_pointwise_tables", "conv_weights_block_ram",
    "depthwise_parallel",
    "depthwise_columns", "depthwise_serial_block_ram", "depthwise_line", "depthwise_columns_line",
    "bilinear_shift", "bilinear_by_4", "maxpool_block_ram",
}  # fmt: skip


@pytest.mark.parametrize("kernel", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in MODELS])
def test_netlist(kernel):
    bench = NetlistBench(MODELS[kernel](), num_frames=2)
    bench.check_all_patterns()
    assert ("RAMB" in bench.netlist.read_text()) == kernel.endswith("block_ram")


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ROWS)
def test_rows_in_lut_ram(kernel):
    estimates = [
        getCustomOp(ROWS[kernel](ram_style=style).graph.node[0]).bram_estimation("")
        for style in ("auto", "distributed")
    ]
    assert estimates[0] > 0 and estimates[1] == 0
    bench = NetlistBench(ROWS[kernel](ram_style="distributed"), num_frames=2)
    bench.check_all_patterns()
    assert "RAMB" not in bench.netlist.read_text()
