"""The share of a board that a design may take where nobody says otherwise: LUT_SHARE of its LUTs, for placement and the
shell, and BRAM_SHARE of its block RAMs and UltraRAMs, for FIFOs beyond the model and the shell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.folding.least_luts import least_luts
from hw_build.folding.optimise import Budget

if TYPE_CHECKING:
    from hw_build.base.board_config import Board
    from hw_build.folding.least_memory import LeastMemory
    from hw_build.folding.options import Network

LUT_SHARE = 0.75
BRAM_SHARE = 0.9


def budget_of(board: Board) -> Budget:
    """That share of ``board``."""
    has = board.resources
    return Budget(
        luts=int(LUT_SHARE * has.luts),
        dsps=has.dsps,
        bram36=int(BRAM_SHARE * has.bram36),
        uram=int(BRAM_SHARE * has.uram),
    )


def beyond_share(network: Network, memory: LeastMemory, board: Board) -> str | None:
    """What only the whole of ``board`` holds of the least that ``network`` takes, in LUTs and ``memory``, as a
    sentence; None where its share does, too.
    """
    share, luts = budget_of(board), sum(least_luts(network).values())
    bram36 = memory.bram36(share.uram)
    beyond = [
        f"{needed:,} {what} at the least, more than the {may:,} that a build with a target rate takes without {option}"
        for what, needed, may, option in (
            ("LUTs", luts, share.luts, "--max-luts"),
            ("BRAM36", bram36, share.bram36, "--max-brams"),
        )
        if needed > may
    ]
    return "; ".join(beyond) or None
