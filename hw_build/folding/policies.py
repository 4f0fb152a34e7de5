"""Policies: how much of the frame time the nodes of each level of a U-shaped network may take.

A policy gives each level of a quarter, a sixteenth, ... of the pixels a share of the frame time, a lower level never
more than the one above. With a limit of latency it also bounds the decoder, the nodes behind the lowest level, on every
level: where the windows of the lowest level span its image, the decoder cannot begin before the last pixel of a frame
is in, and takes its own time after that.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING

from hw_build.folding.lag import fork_memory, is_fork, latency

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hw_build.folding.options import Network

SHARES = (1.0, 0.5, 0.25, 0.125)  # of the frame time that a level may take
FLUSHING_SHARES = (*SHARES, 0.0625, 0.03125)
DECODER_SHARES = (1.0, 0.5, 0.33, 0.25, 0.2, 0.16, 0.125, 0.1)
MAX_LEVELS = 4  # below the first; deeper ones share the last one's


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Shares of the frame time: of each level below the first, and the most that a node of the decoder takes."""

    levels: tuple[float, ...]
    decoder: float = 1.0


def for_memory(network: Network) -> Iterator[Policy]:
    """Policies that trade LUTs for what skips hold."""
    for levels in combinations_with_replacement(SHARES, _count(network)):
        yield Policy(levels=levels)


def for_latency(network: Network, target_cycles: int, latency_frames: float, uram: int = 0) -> list[Policy]:
    """Policies under which a frame is out ``latency_frames`` frame periods after its first pixel, whatever is chosen.

    Left out is one that another beats: which lets every node take as long or longer, and forks hold no
    more outside the ``uram`` UltraRAMs.
    """
    found: dict[tuple[int, ...], tuple[Policy, int]] = {}
    for levels in combinations_with_replacement(FLUSHING_SHARES, _count(network)):
        for decoder in DECODER_SHARES:
            policy = Policy(levels=levels, decoder=decoder)
            limits = tuple(limits_of_nodes(network, target_cycles, policy))
            if limits not in found and latency(network, limits, target_cycles) <= latency_frames * target_cycles:
                found[limits] = policy, fork_memory(network, limits, target_cycles, uram).bram18
    return [
        policy
        for limits, (policy, held) in found.items()
        if not any(
            other != limits and others_held <= held and all(a >= b for a, b in zip(other, limits, strict=True))
            for other, (_, others_held) in found.items()
        )
    ]


def limits_of_nodes(network: Network, target_cycles: int, policy: Policy) -> list[int]:
    """Cycles that each node may take; a node that cannot be as fast as the policy wants takes what it needs.

    A fork that the decoder reads is as fast as its reader, or the skip would hold that up.
    """
    shares, levels = (1.0, *policy.levels), levels_of(network)
    lowest = max(index for index, level in enumerate(levels) if level == max(levels))
    fastest = [min(option.cycles for option in node.options) for node in network.nodes]
    limits = []
    for index, level in enumerate(levels):
        share = shares[min(level, len(policy.levels))]
        wanted = int((min(share, policy.decoder) if index > lowest else share) * target_cycles)
        limits.append(min(max(wanted, fastest[index]), target_cycles))
    for edge in network.edges:
        if edge.target > lowest and is_fork(network.nodes[edge.source]):
            limits[edge.source] = max(min(limits[edge.source], limits[edge.target]), fastest[edge.source])
    return limits


def levels_of(network: Network) -> list[int]:
    """How often the image was halved before each node's output: the steps of all nodes on the way, multiplied."""
    sources = {edge.target: edge.source for edge in reversed(network.edges)}  # of a join the first
    scales: list[Fraction] = []
    for index, node in enumerate(network.nodes):
        scales.append((scales[sources[index]] if index in sources else Fraction(1)) * node.rows.step)
    return [max(int(scale), 1).bit_length() - 1 for scale in scales]


def _count(network: Network) -> int:
    return min(max(levels_of(network)), MAX_LEVELS)
