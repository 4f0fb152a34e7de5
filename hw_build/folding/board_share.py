"""The share of a board that a design may take where nobody says otherwise: LUT_SHARE of its LUTs, for placement and the
shell, and BRAM_SHARE of its block RAMs and UltraRAMs, for FIFOs beyond the model and the shell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.folding.optimise import Budget

if TYPE_CHECKING:
    from hw_build.base.board_config import Board

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
