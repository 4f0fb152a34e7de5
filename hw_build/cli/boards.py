"""``python -m hw_build boards``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from hw_build.base.board_config import board_names, load_board

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    boards = commands.add_parser("boards", help="the known boards")
    boards.add_argument("--json", action="store_true", help="print JSON instead of a table")
    boards.set_defaults(run=_boards)


def _boards(arguments: argparse.Namespace) -> None:
    boards = [load_board(name) for name in board_names()]
    if arguments.json:
        print(json.dumps([asdict(board) for board in boards], indent=2))
        return
    table = Table(title="boards")
    for heading in ("name", "part", "LUT", "FF", "BRAM36", "URAM", "DSP", "clock"):
        table.add_column(heading, no_wrap=True)
    for board in boards:
        has = board.resources
        counts = (f"{count:,}" for count in (has.luts, has.ffs, has.bram36, has.uram, has.dsps))
        table.add_row(board.name, board.part, *counts, f"{board.clocks.fabric_mhz:g} MHz")
    Console(width=100, markup=False).print(table)
