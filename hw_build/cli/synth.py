"""``python -m hw_build synth``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.base.board_config import load_board
from hw_build.base.errors import ConfigError

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    synth = commands.add_parser("synth", help="utilisation of a built accelerator by Yosys, node by node")
    synth.add_argument("--out", type=Path, required=True, help="directory of the build")
    synth.add_argument("--board", help="board whose budget counts (default: that of the build)")
    synth.add_argument("--node", metavar="NAME", help="this instance alone")
    synth.add_argument("--jobs", type=int, help="Yosys processes at a time (default: one a core)")
    synth.add_argument("--json", action="store_true", help="print JSON instead of a table")
    synth.add_argument(
        "--report-only", action="store_true", help="end with status 0 even if the design does not fit the board"
    )
    synth.set_defaults(run=_synth)


def _synth(arguments: argparse.Namespace) -> int:
    from hw_build.commands.synth import run_synth, run_synth_node

    if arguments.jobs is not None and arguments.jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, got {arguments.jobs}")
    board = load_board(arguments.board) if arguments.board is not None else None
    if arguments.node is not None:
        return run_synth_node(arguments.out, arguments.node, board, as_json=arguments.json)
    return run_synth(
        arguments.out, board, jobs=arguments.jobs, as_json=arguments.json, report_only=arguments.report_only
    )
