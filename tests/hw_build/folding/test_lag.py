"""What forks hold, on pipelines whose lag can be told beforehand."""

from dataclasses import replace

import numpy as np
import pytest

from hw_build.folding.lag import fork_memory, fork_rows, latency, row_ends
from hw_build.folding.options import Edge, FoldableNode, Network, Option
from hw_build.folding.policies import levels_of
from hw_build.kernels.fifo_memory import memory_cost
from hw_build.kernels.rows import global_rows, pointwise_rows, upsampled_rows, window_rows


def node(rows, *, inputs=1, outputs=1):
    option = Option(
        folding={}, cycles=1, luts=0, bram18=0, dsps=0, in_elements=(1,) * inputs, out_elements=(1,) * outputs
    )
    return FoldableNode(
        name="n", op_type="any", options=(option,), in_shape=(rows.rows_in, 8, 4), out_shape=(rows.rows_out, 8, 4),
        rows=rows,
    )  # fmt: skip


def same_size(rows_in, kernel):
    return node(window_rows(rows_in, kernel=kernel, pads=(kernel // 2, kernel // 2)))


def around(*branch):
    """fork -> branch -> add <- fork."""
    rows = pointwise_rows(branch[0].rows.rows_in)
    nodes = (node(rows, outputs=2), *branch, node(rows, inputs=2))
    last = len(nodes) - 1
    edges = [Edge(tensor=f"t{i}", source=i, out=0, target=i + 1, into=0, element_bits=4) for i in range(last)]
    edges.append(Edge(tensor="skip", source=0, out=1, target=last, into=1, element_bits=4))
    return Network(nodes=nodes, edges=tuple(edges))


@pytest.mark.parametrize("kernel", [3, 7, 9])
def test_window_that_is_fast_enough_lags_by_half_its_rows(kernel):
    network = around(same_size(64, kernel))
    held = fork_rows(network, [10, 10, 10], interval=64_000)["skip"]
    assert kernel // 2 <= held - 1 <= kernel // 2 + 1  # the last is the row being written


def test_windows_in_a_row_add_their_lags():
    network = around(*(same_size(64, 5) for _ in range(4)))
    assert 8 <= fork_rows(network, [10] * 6, interval=64_000)["skip"] - 1 <= 10


def test_windows_that_span_the_image_lag_by_a_frame_where_they_flush_fast():
    network = around(*(same_size(16, 9) for _ in range(6)))  # 24 rows in all
    held = {cycles: fork_rows(network, [10, *[cycles] * 6, 10], interval=16_000)["skip"] for cycles in (100, 16_000)}
    assert 16 <= held[100] <= 18  # the zero rows below the image pass at the layers' own speed
    assert 24 <= held[16_000] <= 26  # at the speed of the source's rows


def test_level_below_at_full_time_needs_more_memory_than_at_a_quarter():
    pool, upsampling = window_rows(64, kernel=2, stride=2), upsampled_rows(32, factor=2, mode="linear")
    network = around(node(pool), *(same_size(32, 7) for _ in range(12)), node(upsampling))  # 36 rows of 32
    cycles = {share: [10, *[64_000 // share] * 14, 10] for share in (1, 4)}
    rows = {share: fork_rows(network, each, interval=64_000)["skip"] for share, each in cycles.items()}
    assert rows[1] > 64 + 4 and rows[4] < 64 + 20 and rows[1] > rows[4]
    held = fork_memory(network, cycles[4], 64_000)
    assert (held.bram18, held.luts) == (1, 8)  # the skip in one RAMB18, three rows of 8x4x4 bits in LUTs


@pytest.mark.parametrize("kernel", [3, 11, 13, 15, 17, 61, 285, 287])
def test_memory_of_a_fork_is_that_of_its_fifos(kernel):
    network = around(same_size(512, kernel))
    rows = fork_rows(network, [10] * 3, interval=512_000)
    assert rows["skip"] == kernel // 2 + 2  # of 8 x 4 elements of 4 bits; 144 rows fill a RAMB18
    bram18 = sum(memory_cost(count * 8 * 4, 4)[0] for count in rows.values())
    assert fork_memory(network, [10] * 3, interval=512_000)[0] == bram18


def test_what_waits_for_a_whole_frame_takes_it_as_it_comes():
    """fork -> global pooling -> repeated -> add <- fork: the skip holds a frame, the pooling's own branch nothing."""
    network = around(node(global_rows(32)), node(upsampled_rows(1, factor=32, mode="nearest")))
    rows = fork_rows(network, [10] * 4, interval=32_000)
    assert rows["t0"] <= 2 and 32 <= rows["skip"] <= 33
    assert levels_of(network) == [0, 5, 0, 0]


def test_sum_of_a_frame_at_full_time_ends_with_the_frame():
    """As above, but everything takes the frame time: the pooling adds no second frame."""
    pooling = replace(node(global_rows(32)), out_shape=(1, 1, 4))
    network = around(pooling, replace(node(upsampled_rows(1, factor=32, mode="nearest")), in_shape=(1, 1, 4)))
    assert fork_rows(network, [32_000] * 4, interval=32_000)["skip"] <= 35
    assert latency(network, [32_000] * 4, interval=32_000) <= 2.05 * 32_000


def test_ends_follow_the_formula():
    network = around(same_size(8, 3))
    cycles, interval = [400, 900, 100], 800
    ends = row_ends(network, cycles, interval)
    fork, passed = [], []
    for row in range(32):
        arrival = (row + 1) * interval / 8
        fork.append(max(arrival + 50 / 8, (fork[-1] if fork else -np.inf) + 50))
    for row in range(32):
        frame, r = divmod(row, 8)
        needed = fork[8 * frame + min(r + 1, 7)]
        passed.append(max(needed + 112.5 / 8, (passed[-1] if passed else -np.inf) + 112.5))
    np.testing.assert_allclose(ends[0], fork)
    np.testing.assert_allclose(ends[1], passed)


def test_frame_is_out_when_its_last_row_is():
    chain = around(node(pointwise_rows(8)), node(pointwise_rows(8)))
    assert latency(chain, [10] * 4, interval=8_000) == pytest.approx(8_000, abs=10)  # each row at once
    assert latency(chain, [10, 8_000, 10, 10], interval=8_000) == pytest.approx(8_000 + 1_000 / 8, abs=10)


def test_what_waits_for_the_whole_frame_adds_its_own_time():
    network = around(*(same_size(16, 9) for _ in range(6)))  # 24 rows: the adder waits for all of a frame
    waited = [latency(network, [10, *[100] * 6, cycles], interval=16_000) for cycles in (4_000, 8_000)]
    for cycles, each in zip((4_000, 8_000), waited, strict=True):  # its first row takes a pixel
        assert 16_000 + cycles * 15 / 16 <= each <= 16_000 + cycles + 200


def test_reader_of_a_fork_is_no_faster_than_the_fork():
    network = around(*(same_size(16, 9) for _ in range(6)))
    slow_fork, fast_fork = (latency(network, [c, *[100] * 6, 100], interval=16_000) for c in (8_000, 100))
    assert slow_fork >= 16_000 + 8_000 * 15 / 16 and fast_fork <= 16_000 + 700
