"""What the streams of a network hold whatever its folding is: rows that one branch waits for while another has them.

A gate waits for the sum of the whole frame, so the frame that it multiplies is held; a skip waits for all rows that the
levels below it read ahead. The least of both is the lag of a pipeline whose nodes take no time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hw_build.folding.lag import bram18_of, fork_rows, uram_of
from hw_build.kernels.fifo_memory import in_ultra

if TYPE_CHECKING:
    from hw_build.base.board_config import Board
    from hw_build.folding.options import Network


@dataclass(frozen=True, kw_only=True)
class Held:
    """A stream from node ``source`` to node ``target``: at least ``rows`` of its ``of_rows`` a frame wait in it."""

    source: str
    target: str
    rows: int
    of_rows: int
    bram18: int
    uram: int  # instead of these


@dataclass(frozen=True, kw_only=True)
class LeastMemory:
    """Block RAMs that no folding avoids: those of streams, and those of nodes."""

    streams: tuple[Held, ...]
    nodes_bram18: int

    def bram36(self, uram: int = 0) -> int:
        """All of them but for streams that lie in ``uram`` UltraRAMs."""
        ultra = in_ultra([(held.bram18, held.uram) for held in self.streams], uram)
        streams = sum(held.bram18 for index, held in enumerate(self.streams) if index not in ultra)
        return -(-(self.nodes_bram18 + streams) // 2)


def least_memory(network: Network) -> LeastMemory:
    """The bound of ``network``; the streams that hold most come first."""
    rows = fork_rows(replace(network, output_cycles=0), [0] * len(network.nodes), interval=1.0)
    streams = []
    for edge in network.edges:
        if edge.tensor in rows:
            source, target = network.nodes[edge.source], network.nodes[edge.target]
            streams.append(
                Held(
                    source=source.name, target=target.name, rows=rows[edge.tensor], of_rows=source.out_shape[0],
                    bram18=bram18_of(network, edge, rows[edge.tensor]), uram=uram_of(network, edge, rows[edge.tensor]),
                )
            )  # fmt: skip
    streams.sort(key=lambda held: -held.bram18)
    nodes = sum(min(option.bram18 for option in node.options) for node in network.nodes)
    return LeastMemory(streams=tuple(streams), nodes_bram18=nodes)


def refusal_of_memory(least: LeastMemory, board: Board) -> str | None:
    """Why ``board`` cannot hold the network, as a sentence; None where it can."""
    has = board.resources
    needed = least.bram36(has.uram)
    if needed <= has.bram36:
        return None
    beside = f" beside {has.uram} UltraRAMs" if has.uram else ""
    most = [
        f"{-(-held.bram18 // 2)} hold {held.rows} of {held.of_rows} rows from {held.source} to {held.target}"
        for held in least.streams[:3]
        if held.bram18
    ]
    return (
        f"the network needs at least {needed} BRAM36{beside}, however it is folded, and {board.name} has "
        f"{has.bram36} ({', '.join(most) or 'all in its layers'}): use smaller images, fewer channels "
        "where most is held, or a larger board"
    )
