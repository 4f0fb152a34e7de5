"""The FIFO in UltraRAM: what goes in comes out, in order, from RTL and from its netlist; what it takes by Yosys."""

import numpy as np
import pytest

from hw_build.implement.synth.cells import utilization
from hw_build.implement.synth.yosys import Cells, synthesise
from hw_build.kernels.fifo_memory import ultra_beats, ultra_cost
from hw_build.simulate import DeadlockError
from hw_build.stitch.stitcher import STREAM_RTL
from tests.rtl import fifo_bench
from tests.rtl.fifo_bench import random_beats
from tests.rtl.kernel_bench import STALL_PATTERNS

MODULE = "stream_fifo_ultra"
SMALL = {"WIDTH": 4, "BEATS": 18, "DEPTH": 60}
OTHERS = [{"WIDTH": w, "BEATS": b, "DEPTH": d} for w, b, d in ((10, 7, 7), (40, 1, 2), (48, 3, 50), (1, 72, 400))]


def keeps_order(simulator, data):
    for idle, stall in STALL_PATTERNS:
        result = simulator.run([data], [len(data)], idle=idle, stall=stall, seed=3)
        np.testing.assert_array_equal(result.outputs[0], data)


def test_order_capacity_latency_and_rate():
    simulator = fifo_bench.fifo(MODULE, SMALL)
    keeps_order(simulator, random_beats(4, 2_000))
    for count in (1, 17, 18, 19):  # no beat waits for its word to be complete
        result = simulator.run([random_beats(4, count)], [count])
        assert result.output_cycles[0][0] - result.input_cycles[0][0] == 5
        assert result.output_cycles[0][-1] - result.input_cycles[0][-1] == 5
    result = simulator.run([random_beats(4, 3_000)], [3_000])
    assert (np.diff(result.input_cycles[0].astype(int)) == 1).all()
    assert (np.diff(result.output_cycles[0].astype(int)) == 1).all()
    with pytest.raises(DeadlockError) as stuck:
        simulator.run([random_beats(4, 400)], [400], stall=0.9999999, max_idle_cycles=200)
    taken = int(str(stuck.value).split("s_axis_tdata took ")[1].split()[0])
    assert 60 <= taken < 60 + 5 * 18


@pytest.mark.slow
@pytest.mark.parametrize("shape", OTHERS, ids=str)
def test_order_at_other_widths(shape):
    keeps_order(fifo_bench.fifo(MODULE, shape), random_beats(shape["WIDTH"], 3_000))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "beats", "depth"),
    [(4, 18, 60), (100, 1, 20), (36, 2, 2 * 4_200)],  # one block, two side by side, two one after another
)
def test_netlist_keeps_order_under_stalls(width, beats, depth):
    shape = {"WIDTH": width, "BEATS": beats, "DEPTH": depth}
    simulator = fifo_bench.fifo_in_cells(MODULE, shape, "URAM288", Cells.XCUP)
    data = random_beats(width, max(2_000, 2 * depth + 500))
    for idle, stall in ((0.0, 0.0), (0.1, 0.4), (0.5, 0.5), (0.0, 0.9)):
        result = simulator.run([data], [len(data)], idle=idle, stall=stall, seed=5)
        np.testing.assert_array_equal(result.outputs[0], data)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "depth"), [(4, 40_000), (4, 150_000), (8, 20_000), (16, 20_000), (24, 12_000), (40, 6_000), (100, 3_000)]
)
def test_blocks_are_those_of_the_model_and_luts_within_15_percent(width, depth):
    parameters = {"WIDTH": str(width), "BEATS": str(ultra_beats(depth, width)), "DEPTH": str(depth)}
    used = utilization(synthesise(MODULE, [STREAM_RTL / f"{MODULE}.sv"], parameters, cells=Cells.XCUP))
    blocks, luts = ultra_cost(depth, width)
    assert (used.uram, used.bram18) == (blocks, 0)
    assert luts == pytest.approx(used.luts, rel=0.15)
