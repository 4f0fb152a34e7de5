"""Sized FIFOs on a fork whose long branch lags: same frames, same rate, less memory; and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from hw_build.base.errors import BuildError
from hw_build.fifo import sizing
from hw_build.fifo.sizing import refuse_slower, size_fifos
from hw_build.simulate.accelerator import AcceleratorRun, StreamUse, simulate
from hw_build.stitch import stitch
from tests.hw_build.hw_graphs import GraphBuilder
from tests.hw_build.test_stitch import frames


def lagging(seed=0):
    """A skip around a 5x5 depthwise convolution that sets the pace, an adder, a head."""
    graph = GraphBuilder(16, 16, seed=seed)
    x = graph.threshold(graph.dense("global_in", 2, simd=1, pe=2), pe=2)
    skip, x = graph.fork(x, pe=2)
    x = graph.add(skip, graph.depthwise(x, kernel=5, pe=2, simd=5), pe=2)
    return graph.model(graph.dense(x, 1, simd=1)), skip


@pytest.fixture(scope="module")
def sized(tmp_path_factory):
    model, skip = lagging()
    codes, logits = frames(model, 2, seed=2)
    folder = tmp_path_factory.mktemp("sized")
    result = size_fifos(model, folder / "measured", codes, logits)
    return result, stitch(model, folder, fifo_depths=result.depths), codes, logits, skip


def test_sized_design_gives_the_same_frames_at_the_same_rate(sized):
    result, design, codes, logits, _ = sized
    order = np.arange(4) % 2
    run = simulate(design, codes[order])
    assert np.array_equal(run.logits, logits[order])
    refuse_slower(run, design)
    assert run.cycles_per_frame <= 1.005 * result.interval
    stalled = simulate(design, codes, idle=0.4, stall=0.4, seed=3)
    assert np.array_equal(stalled.logits, logits)


def test_skip_holds_the_rows_that_its_branch_waits_for(sized):
    result, design, _, _, skip = sized
    assert 2 * 16 <= result.held[skip] <= 4 * 16  # two rows and two pixels of 16, one beat a pixel, and the pipeline
    assert result.held[skip] < result.depths[skip] < 5 * 16
    ordinary = [depth for tensor, depth in result.depths.items() if tensor != skip]
    assert max(ordinary) <= 32
    assert {stream.tensor: stream.depth for stream in design.streams} == result.depths


def fabricated(design, *, cycles=1_280, full=()):
    return AcceleratorRun(
        logits=np.zeros((4, 16, 16, 1), np.int32),
        masks=np.zeros((4, 16, 16), np.uint8),
        first_in=[0],
        last_in=[0],
        last_out=[1],
        cycles_per_frame=cycles,
        streams=[
            StreamUse(
                label=s.label,
                tensor=s.tensor,
                depth=s.depth,
                peak=s.depth if s.tensor in full else 1,
                beats=1,
                waited=0,
            )
            for s in design.streams
        ],
        cycles=1,
        seconds=1.0,
    )


def test_fork_that_filled_up_is_named(tmp_path, monkeypatch):
    model, skip = lagging()
    monkeypatch.setattr(sizing, "simulate", lambda design, codes, **_: fabricated(design, full=(skip,)))
    codes, logits = np.zeros((1, 16, 16, 3), np.uint8), np.zeros((1, 16, 16, 1), np.int32)
    with pytest.raises(BuildError, match=r"behind forks filled up .*: StreamFork_rtl_0 -> StreamAdd_rtl_0 \(\d+ b"):
        size_fifos(model, tmp_path, codes, logits)


def test_ordinary_streams_get_deeper_until_the_interval_is_kept(tmp_path, monkeypatch):
    model, _ = lagging()
    tried = []

    def slow_at_first(design, codes, **_):
        tried.append(min(stream.depth for stream in design.streams))
        return fabricated(design, cycles=1_280 if len(tried) == 5 else 1_400)

    monkeypatch.setattr(sizing, "simulate", slow_at_first)
    codes, logits = np.zeros((1, 16, 16, 3), np.uint8), np.zeros((1, 16, 16, 1), np.int32)
    size_fifos(model, tmp_path, codes, logits)
    assert tried == [4, 32, 32, 64, 256]  # the last is a frame
    tried.clear()
    monkeypatch.setattr(sizing, "simulate", lambda design, codes, **_: fabricated(design, cycles=1_400))
    with pytest.raises(
        BuildError, match="takes 1,400 cycles a frame even where each FIFO holds a frame, its nodes at most 1,280"
    ):
        size_fifos(model, tmp_path, codes, logits)


def test_streams_that_run_in_bursts_get_a_row_before_all_get_deeper(tmp_path, monkeypatch):
    graph = GraphBuilder(16, 16)
    x = graph.threshold(graph.dense("global_in", 16, simd=1, pe=2), pe=2)
    pooled = graph.max_pool(x, pe=2)
    x = graph.threshold(pooled, pe=2)
    model = graph.model(graph.dense(graph.upsample(x, pe=1), 1, simd=1))
    tried = []

    def fast_at_third(design, codes, **_):
        tried.append({stream.tensor: stream.depth for stream in design.streams})
        return fabricated(design, cycles=design.expected_cycles_per_frame * (1 if len(tried) == 3 else 2))

    monkeypatch.setattr(sizing, "simulate", fast_at_third)
    codes, logits = np.zeros((1, 16, 16, 3), np.uint8), np.zeros((1, 16, 16, 1), np.int32)
    size_fifos(model, tmp_path, codes, logits)
    rows = {tensor: depth for tensor, depth in tried[2].items() if depth != 32}
    assert rows == {pooled: 8 * 16 // 2, x: 8 * 16 // 2}  # beats of two channels


def test_slower_design_is_refused(sized):
    _, design, *_ = sized
    with pytest.raises(BuildError, match="with its FIFOs sized the accelerator takes 1,400 cycles a frame instead of"):
        refuse_slower(replace(fabricated(design), cycles_per_frame=1_400), design)


def test_wrong_logits_are_not_sized(tmp_path, monkeypatch):
    model, _ = lagging()
    monkeypatch.setattr(sizing, "simulate", lambda design, codes, **_: fabricated(design))
    with pytest.raises(BuildError, match="logits differ while FIFOs are measured"):
        size_fifos(model, tmp_path, np.zeros((1, 16, 16, 3), np.uint8), np.ones((1, 16, 16, 1), np.int32))
