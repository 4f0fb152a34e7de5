"""The packed FIFO: what goes in comes out, in order, from RTL and from its netlist in block RAM."""

import numpy as np
import pytest

from hw_build.kernels.fifo_memory import memory_cost, word_beats
from hw_build.simulate import DeadlockError
from tests.rtl import fifo_bench
from tests.rtl.fifo_bench import random_beats
from tests.rtl.kernel_bench import STALL_PATTERNS

MODULE = "stream_fifo_packed"


def fifo(width: int, beats: int, depth: int, *, netlist: bool = False):
    parameters = {"WIDTH": width, "BEATS": beats, "DEPTH": depth}
    if netlist:
        return fifo_bench.fifo_in_cells(MODULE, parameters, "RAMB")
    return fifo_bench.fifo(MODULE, parameters)


@pytest.mark.parametrize(("width", "beats", "depth"), [(4, 9, 36), (4, 9, 40), (10, 3, 7), (12, 2, 4), (8, 9, 900)])
def test_keeps_order_under_stalls(width, beats, depth):
    simulator, data = fifo(width, beats, depth), random_beats(width, 2_000)
    for idle, stall in STALL_PATTERNS:
        result = simulator.run([data], [len(data)], idle=idle, stall=stall, seed=3)
        np.testing.assert_array_equal(result.outputs[0], data)


def test_netlist_keeps_order_under_stalls():
    simulator, data = fifo(4, 9, 1200, netlist=True), random_beats(4, 5_000)
    for idle, stall in STALL_PATTERNS:
        result = simulator.run([data], [len(data)], idle=idle, stall=stall, seed=5)
        np.testing.assert_array_equal(result.outputs[0], data)


@pytest.mark.parametrize(("width", "beats", "words"), [(9, 2, 4_097), (9, 4, 8_195)])
@pytest.mark.parametrize("hold", [0.0, 0.9])
def test_banks_keep_order_over_their_borders(width, beats, words, hold):
    depth = words * beats
    data = random_beats(width, 3 * depth)
    for idle, stall in ((0.0, hold), (hold, 0.0), (0.5, 0.5)):
        result = fifo(width, beats, depth).run([data], [len(data)], idle=idle, stall=stall, seed=7)
        np.testing.assert_array_equal(result.outputs[0], data)


def test_banks_fill_and_empty():
    depth = 4_100 * 2
    with pytest.raises(DeadlockError) as stuck:
        fifo(9, 2, depth).run([random_beats(9, 2 * depth)], [2 * depth], stall=0.9999999, max_idle_cycles=200)
    taken = int(str(stuck.value).split("s_axis_tdata took ")[1].split()[0])
    assert depth <= taken < depth + 4 * 2


def test_netlist_of_banks_keeps_order_under_stalls():
    simulator, data = fifo(9, 2, 2 * 4_120, netlist=True), random_beats(9, 20_000)
    for idle, stall in ((0.0, 0.0), (0.1, 0.4)):
        result = simulator.run([data], [len(data)], idle=idle, stall=stall, seed=5)
        np.testing.assert_array_equal(result.outputs[0], data)


@pytest.mark.parametrize("count", [1, 8, 9, 10, 17, 18])
def test_beats_leave_before_their_word_is_complete(count):
    data = random_beats(4, count)
    result = fifo(4, 9, 36).run([data], [count])
    np.testing.assert_array_equal(result.outputs[0], data)
    assert result.output_cycles[0][0] - result.input_cycles[0][0] == 2


def test_holds_its_depth_and_less_than_four_words_more():
    depth = 40
    with pytest.raises(DeadlockError) as stuck:
        fifo(4, 9, depth).run([random_beats(4, 200)], [200], stall=0.9999999, max_idle_cycles=200)
    taken = int(str(stuck.value).split("s_axis_tdata took ")[1].split()[0])
    assert depth <= taken < depth + 4 * 9


def test_reads_a_beat_a_cycle_once_a_word_behind():
    data = random_beats(4, 3_000)
    result = fifo(4, 9, 2_700).run([data], [len(data)])
    assert (np.diff(result.input_cycles[0].astype(int)) == 1).all()
    assert (np.diff(result.output_cycles[0].astype(int))[100:] == 1).all()


@pytest.mark.parametrize(("width", "beats"), [(4, 9), (8, 9), (10, 7), (12, 3), (20, 3), (24, 3), (36, 1), (33, 1)])
def test_words_are_those_that_fill_block_ram_best(width, beats):
    depth = 72_000
    assert word_beats(depth, width) == beats
    bits = depth * width
    assert memory_cost(depth, width)[0] >= bits / 18_432


def test_small_queues_are_not_packed():
    assert word_beats(64, 4) == word_beats(512, 4) == word_beats(4_096, 4) == 1
    assert word_beats(4_097, 4) == 9
