"""Kernels whose rows lie in UltraRAM: exact as RTL and as cells of UltraScale+, at every number of words in one."""

from functools import partial

import pytest
from qonnx.custom_op.registry import getCustomOp

from hw_build.kernels.resources import ultra_lanes
from tests.rtl.kernel_bench import KernelBench
from tests.rtl.netlist_bench import UltraScaleNetlistBench
from tests.rtl.test_average_pool import pool
from tests.rtl.test_conv import conv_model
from tests.rtl.test_depthwise import depthwise_model
from tests.rtl.test_stream_kernels import model_of

ROWS = {  # words of the memory in one of UltraRAM -> kernel
    "1_columns": partial(depthwise_model, dim=(3, 16), channels=8, kernel=3, simd=3, residual=1),
    "2_columns": partial(depthwise_model, dim=(3, 128), channels=64, kernel=3, simd=3),
    "4_columns": partial(depthwise_model, dim=(3, 128), channels=120, kernel=3, simd=3),
    "2_windows": partial(depthwise_model, dim=(3, 64), channels=160, kernel=3, pe=2, simd=9),
    "2_conv_serial": partial(conv_model, (3, 32, 64), 1, 3, simd=1),
    "2_conv_parallel": partial(conv_model, (3, 128, 64), 1, 3, simd=1, Window="parallel"),
    "4_maxpool": partial(model_of, "MaxPool2x2_rtl", dim=(4, 256), channels=80),
    "2_average_pool": partial(pool, dim=(4, 256), channels=40),
    "8_bilinear": partial(model_of, "BilinearUpsample_rtl", dim=(3, 128), channels=96),
    "1_nearest": partial(model_of, "NearestUpsample_rtl", dim=(3, 64), channels=8, Factor=2),
    "2_nearest": partial(model_of, "NearestUpsample_rtl", dim=(2, 100), channels=50, Factor=2),
    "2_depth_to_space": partial(model_of, "DepthToSpace_rtl", dim=(2, 64), channels=160, Block=2),
}
QUICK = ("1_columns", "1_nearest")
CELLS = ("1_columns", "2_columns", "2_windows", "4_maxpool", "1_nearest")


@pytest.mark.parametrize("kernel", [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in ROWS])
def test_rtl(kernel):
    model = ROWS[kernel](ram_style="ultra")
    operation = getCustomOp(model.graph.node[0])
    assert str(ultra_lanes(*operation.row_memory())) == kernel.split("_")[0]
    bench = KernelBench(model)
    for seed, (idle, stall) in enumerate(((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4))):
        result = bench.check(idle, stall, seed)
        if idle == stall == 0:
            assert bench.frame_cycles(result) == [operation.get_exp_cycles()] * (bench.num_frames - 1)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", CELLS)
def test_cells(kernel):
    bench = UltraScaleNetlistBench(ROWS[kernel](ram_style="ultra"), num_frames=2)
    blocks = bench.netlist.read_text().count("URAM288 #(")
    assert blocks == bench.op.uram_estimation("xczu7ev-ffvc1156-2-e") > 0
    for idle, stall in ((0.0, 0.0), (0.3, 0.3)):
        bench.check(idle, stall)
