"""Cost models on UltraScale+ against Yosys' ``xcup``: LUTs within 15%, DSP48E2, block RAM and UltraRAM exact.

``python -m tests.rtl.test_ultrascale_costs`` prints the figures of all instances.
"""

import sys
from functools import partial

import pytest
from qonnx.custom_op.registry import getCustomOp

from hw_build.base.board_config import load_board
from hw_build.implement.synth.cells import Utilization, utilization
from hw_build.implement.synth.yosys import Cells, synthesise
from hw_build.kernels.fabric import SERIES_7, ULTRASCALE_PLUS, fabric_of
from hw_build.kernels.fifo_memory import memory_cost, word_beats
from hw_build.stitch.stitcher import STREAM_RTL
from tests.rtl import kernel_costs, test_average_pool, test_cost_models, test_signed_codes, test_window_costs
from tests.rtl.kernel_bench import rtl_of

PART = load_board("kv260").part


def _from(instances, *names):
    return {name: instances[name] for name in names}


def _levels(*names):
    return {
        name: partial(test_cost_models.depthwise_model, dim=(side, side), channels=c, kernel=k, simd=simd, residual=1)
        for name in names
        for side, c, k, simd in (test_cost_models.DEPTHWISE[name],)
    }


def _movement(*beginnings):
    """Instances of the documentation's table, by how their names begin."""
    return {
        begin: instance.ours[-1]
        for begin in beginnings
        for instance in kernel_costs.INSTANCES
        if instance.what.startswith(begin)
    }


# words of a memory of rows in one of UltraRAM: 1, 2, 4, 8; blocks one after another and side by side
IN_ULTRA_RAM = {
    "columns_shared": partial(test_cost_models.depthwise_model, dim=(8, 128), channels=64, kernel=3, simd=3),
    "windows": partial(test_cost_models.depthwise_model, dim=(8, 512), channels=64, kernel=3, pe=8, simd=3),
    "conv_serial": partial(test_cost_models.conv_model, (32, 32, 80), 8, 3, pe=4, simd=1),
    "conv_wide": partial(test_cost_models.conv_model, (16, 64, 80), 8, 3, pe=2, simd=20),
    "conv_parallel": partial(test_cost_models.conv_model, (8, 256, 64), 4, 3, pe=1, simd=1, Window="parallel"),
    "pool": partial(test_cost_models.model_of, "MaxPool2x2_rtl", dim=(64, 256), channels=64, PE=1),
    "pool_deep": partial(test_cost_models.model_of, "MaxPool2x2_rtl", dim=(64, 512), channels=192, PE=3),
    "average_pool": partial(test_average_pool.pool, dim=(64, 256), channels=32, PE=2),
    "bilinear": partial(test_cost_models.model_of, "BilinearUpsample_rtl", dim=(64, 128), channels=64, PE=4),
    "nearest": partial(test_cost_models.model_of, "NearestUpsample_rtl", dim=(64, 128), channels=64, Factor=2),
    "depth_to_space": partial(test_cost_models.model_of, "DepthToSpace_rtl", dim=(32, 64), channels=128, Block=2),
}
GRID = (
    _levels("level1", "level3", "level4", "level4_serial", "level5", "level5_serial", "level5_threes")
    | _from(
        test_cost_models.STREAMS, "add", "add_threshold", "bilinear", "bilinear_threshold", "bilinear_8_24_1",
        "bilinear_16_24_3", "bilinear_64_10_2", "bilinear_128_8_8", "bilinear_by_4_UINT4_32_8_8",
        "bilinear_by_4_INT8_16_4_4", "bilinear_by_8_UINT4_16_8_1",
    )
    | {f"{name}_in_lut_ram": partial(model, ram_style="distributed") for name, model in test_cost_models.LUT_RAM.items()
       if name in ("columns_32", "windows", "conv_32", "bilinear_16", "pool")}
    | {f"{name}_lines": test_cost_models.LINES[name]
       for name in ("conv", "threshold", "columns_serial", "windows_at_once")}
    | _from(
        test_window_costs.MODELS, "expansion_tables", "dense_parallel", "dense_serial", "dense_tables_read_again",
        "depthwise_two_lanes",
    )
    | _from(test_signed_codes.COSTS, "products_in_luts", "eight_bits")
    | _movement("maximum of windows", "gather of channels")
    | {f"{name}_in_ultra_ram": partial(model, ram_style="ultra") for name, model in IN_ULTRA_RAM.items()}
)  # fmt: skip


def used_and_modelled(model) -> tuple[Utilization, tuple[int, int, int, int]]:
    """What a graph of one kernel takes by Yosys, and its (LUTs, DSPs, RAMB18, URAM288) by the model."""
    op, rtl = getCustomOp(model.graph.node[0]), rtl_of(model)
    used = utilization(synthesise(rtl.module, rtl.files, rtl.parameters, cells=Cells.XCUP))
    estimates = (op.lut_estimation, op.dsp_estimation, op.bram_estimation, op.uram_estimation)
    return used, tuple(estimate(PART) for estimate in estimates)


@pytest.mark.slow
@pytest.mark.parametrize("name", GRID)
def test_kernels(name):
    used, (luts, dsps, bram18, uram) = used_and_modelled(GRID[name]())
    assert (dsps, bram18, uram) == (used.dsps, used.bram18, used.uram)
    assert (uram > 0) == name.endswith("_in_ultra_ram")
    assert luts == pytest.approx(used.luts, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "width"), [(32, 12), (64, 30), (1_024, 18)])
def test_memory_of_fifos_is_that_of_the_model(depth, width):
    beats = word_beats(depth, width)
    module, packing = ("stream_fifo_packed", {"BEATS": str(beats)}) if beats > 1 else ("stream_fifo", {})
    parameters = {"WIDTH": str(width), "DEPTH": str(depth), **packing}
    used = utilization(synthesise(module, [STREAM_RTL / f"{module}.sv"], parameters, cells=Cells.XCUP))
    assert (used.bram18, used.lutram) == memory_cost(depth, width, ULTRASCALE_PLUS)


@pytest.mark.parametrize(
    ("board", "fabric"),
    [("pynq-z1", SERIES_7), ("pynq-z2", SERIES_7), ("zybo-z7-20", SERIES_7), ("kv260", ULTRASCALE_PLUS),
     ("zcu104", ULTRASCALE_PLUS)],
)  # fmt: skip
def test_fabric_of_the_boards(board, fabric):
    assert fabric_of(load_board(board).part) is fabric


def main() -> None:
    """A line an instance: by the model, by Yosys, and how far the LUTs are apart."""
    for name, model in GRID.items():
        used, (luts, dsps, bram18, uram) = used_and_modelled(model())
        apart = 100 * (luts / used.luts - 1)
        print(f"{name}: {luts} LUTs, {dsps} DSPs, {bram18} RAMB18, {uram} URAM288; "
              f"Yosys {used.luts}, {used.dsps}, {used.bram18}, {used.uram}; {apart:+.1f}%", flush=True)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
