"""How much a fork's outputs must hold, and how long a frame takes, from a model of the pipeline at the grain of rows.

The source offers a frame every T cycles, evenly; a node that takes c cycles a frame and gives H rows of W pixels ends
row r of its output at

    end[r] = max(arrival[need(r)] + c/(H*W), end[r-1] + c/H),

where arrival is when the last of its inputs has that row in full, c at least the cycles of a fork that it reads (what a
fork's output holds comes out no faster than it went in) and, of the last node, those of the output stage; need(r) is
the last input row that output row r depends on, which the operator says (`hw_build.kernels.rows`). Where nothing comes
before a whole frame is in, as of a global pooling, c is spread over the pixels of the input, if they are more. FIFOs
hold whatever they must: this is the pipeline that no FIFO throttles, and it leaves out what a node takes to begin.
Frames follow each other; what a branch holds is the rows that went in less the rows that its reader has ended, at its
greatest: the lag of the other branches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hw_build.kernels.fifo_memory import LUTRAM_BITS, in_ultra
from hw_build.kernels.resources import ULTRA_WORD_BITS, ULTRA_WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hw_build.folding.options import Edge, FoldableNode, Network

FRAMES = 4  # the lag is below two frames at sizes that matter; the last frames are in the steady state
BRAM18_BITS = 18_432  # several beats of a stream fill a word (hw_build.kernels.fifo_memory)
LUT_BITS = 48  # of a LUT of RAM64M, with what reads it


class ForkMemory(NamedTuple):
    """What the outputs of all forks lie in: RAMB18, LUT sites, URAM288."""

    bram18: int
    luts: int
    uram: int


def is_fork(node: FoldableNode) -> bool:
    """Whether it has several outputs."""
    return len(node.options[0].out_elements) > 1


def row_ends(network: Network, cycles: Sequence[int], interval: float) -> list[np.ndarray]:
    """When each node ends each row of its output, (FRAMES * H_out,), for ``cycles`` a frame of each node."""
    inputs: dict[int, list[int]] = {}
    for edge in network.edges:
        inputs.setdefault(edge.target, []).append(edge.source)
    forks = [is_fork(node) for node in network.nodes]
    ends: list[np.ndarray] = []
    for index, node in enumerate(network.nodes):
        rows_in, rows_out = node.rows.rows_in, node.rows.rows_out
        if index in inputs:
            arrival = np.max([ends[source] for source in inputs[index]], axis=0)  # (FRAMES * H_in,)
        else:
            arrival = (np.arange(FRAMES * rows_in) + 1) * interval / rows_in
        frames = np.arange(FRAMES)[:, None] * rows_in
        needed = arrival[(frames + np.array(node.rows.last)).ravel()]  # (FRAMES * H_out,)
        slowest_fork = max((cycles[source] for source in inputs.get(index, []) if forks[source]), default=0)
        slowest_reader = network.output_cycles if index == len(network.nodes) - 1 else 0
        row_time = max(cycles[index], slowest_fork, slowest_reader) / rows_out
        steps = np.arange(FRAMES * rows_out) * row_time
        pixels = rows_out * node.out_shape[1]
        if node.rows.whole_frame:  # a sum of all pixels ends with the last one that comes
            pixels = max(pixels, rows_in * node.in_shape[1])
        # end[r] - r*row_time is the running maximum of what the rows up to r add to it
        ends.append(np.maximum.accumulate(needed + row_time * rows_out / pixels - steps) + steps)
    return ends


def latency(network: Network, cycles: Sequence[int], interval: float) -> float:
    """Cycles from the first pixel of a frame to its last result, where a frame begins every ``interval``."""
    return float(row_ends(network, cycles, interval)[-1][-1] - (FRAMES - 1) * interval)


def fork_rows(network: Network, cycles: Sequence[int], interval: float) -> Mapping[str, int]:
    """Rows that each output of a fork holds at most, by tensor."""
    ends = row_ends(network, cycles, interval)
    held = {}
    for edge in network.edges:
        if is_fork(network.nodes[edge.source]):
            written, target = ends[edge.source], network.nodes[edge.target]
            # an input row goes when the last output row that depends on it and on nothing later ends; those before any
            # such with the first output row, or, where that waits for the whole frame, once the frame before has ended
            last_use = np.searchsorted(target.rows.last, np.arange(target.rows.rows_in), side="right") - 1
            if not target.rows.whole_frame:
                last_use = np.maximum(last_use, 0)
            frames = np.arange(FRAMES)[:, None] * target.rows.rows_out
            released = np.concatenate([[-np.inf], ends[edge.target]])[(frames + last_use + 1).ravel()]
            count = np.arange(1, len(written) + 1) - np.searchsorted(released, written, side="left")
            held[edge.tensor] = int(count.max()) + 1  # the row that is being written
    return held


def fork_memory(network: Network, cycles: Sequence[int], interval: float, uram: int = 0) -> ForkMemory:
    """Of all fork outputs together, each a ring of more than 64 words: rows of beats. Those that take most block RAM
    lie in the ``uram`` UltraRAMs of the device, as far as these go.
    """
    rows = fork_rows(network, cycles, interval)
    edges = [edge for edge in network.edges if edge.tensor in rows]
    sizes = [(bram18_of(network, edge, rows[edge.tensor]), uram_of(network, edge, rows[edge.tensor])) for edge in edges]
    ultra = in_ultra(sizes, uram)
    luts = sum(
        -(-_bits(network, edge, rows[edge.tensor]) // LUT_BITS)
        for edge, (blocks, _) in zip(edges, sizes, strict=True)
        if not blocks
    )
    return ForkMemory(
        bram18=sum(blocks for index, (blocks, _) in enumerate(sizes) if index not in ultra),
        luts=luts,
        uram=sum(sizes[index][1] for index in ultra),
    )


def bram18_of(network: Network, edge: Edge, rows: int) -> int:
    """RAMB18 of ``rows`` in the stream ``edge``; 0 where LUTs hold them."""
    bits = _bits(network, edge, rows)
    return -(-bits // BRAM18_BITS) if bits > LUTRAM_BITS else 0


def uram_of(network: Network, edge: Edge, rows: int) -> int:
    """URAM288 of ``rows`` in the stream ``edge``."""
    return -(-_bits(network, edge, rows) // (ULTRA_WORDS * ULTRA_WORD_BITS))


def _bits(network: Network, edge: Edge, rows: int) -> int:
    _, width, channels = network.nodes[edge.source].out_shape
    return rows * width * channels * edge.element_bits
