"""``python -m hw_build join``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.base.board_config import load_board

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    join = commands.add_parser("join", help="two builds for one Zynq-7000 as one device, for one bitstream")
    for stage in ("first", "second"):
        join.add_argument(f"--{stage}", type=Path, required=True, help=f"build directory of the {stage} accelerator")
    join.add_argument("--out", type=Path, required=True, help="folder to write, for `netlist`, `bitstream`, `deploy`")
    join.add_argument("--board", help="board whose budget counts (default: that of the builds)")
    join.add_argument(
        "--simulation-only", action="store_true", help="for the simulated board alone: take builds without synthesis"
    )
    join.set_defaults(run=_join)


def _join(arguments: argparse.Namespace) -> int:
    from hw_build.commands.join import run_join

    board = load_board(arguments.board) if arguments.board is not None else None
    return run_join(
        (arguments.first, arguments.second), arguments.out, board=board, simulation_only=arguments.simulation_only
    )
