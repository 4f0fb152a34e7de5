"""LUTs that no folding of a network avoids: its nodes in their smallest foldings, without streams between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hw_build.base.board_config import Board
    from hw_build.folding.options import Network


def least_luts(network: Network) -> dict[str, int]:
    """The LUTs of each node of ``network`` in its smallest folding, by its name."""
    return {node.name: min(option.luts for option in node.options) for node in network.nodes}


def refusal_of_luts(network: Network, board: Board) -> str | None:
    """Why ``board`` has too few LUTs for ``network`` however it is folded, as a sentence; None where they may do."""
    least = least_luts(network)
    needed, has = sum(least.values()), board.resources.luts
    if needed <= has:
        return None
    most = sorted(least, key=lambda name: -least[name])[:3]
    return (
        f"the network needs at least {needed:,} LUTs, however it is folded, and {board.name} has {has:,} "
        f"({', '.join(f'{least[name]:,} in {name}' for name in most)}): use fewer channels or bits, or a larger board"
    )
