"""``python -m hw_build check``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from board.boundary import USER_ERROR
from hw_build.base.errors import ConfigError
from hw_build.cli.common import add_input_scale, input_scale

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    check = commands.add_parser("check", help="node by node: which kernel serves it, or why none does")
    check.add_argument("model", type=Path, metavar="MODEL", help="a QONNX file")
    check.add_argument("--backend", choices=("rtl", "hls"), default="rtl", help="hls: which layer of FINN's HLS")
    check.add_argument(
        "--board", help="check, by the models, that its block RAMs and LUTs suffice for some folding at a low rate"
    )
    add_input_scale(check)
    check.add_argument("--json", action="store_true", help="print JSON instead of a table")
    check.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    from hw_build.base.board_config import load_board
    from hw_build.flow.check import check, lowers

    if arguments.backend == "hls" and arguments.board:
        raise ConfigError("--board counts block RAMs of our own kernels: leave --backend hls or --board out")
    worth = input_scale(arguments)
    if arguments.backend == "hls":
        from hw_build.backends.hls.check import check_hls

        verdicts = check_hls(arguments.model, input_scale=worth)
    else:
        board = load_board(arguments.board) if arguments.board else None
        verdicts = check(arguments.model, board, worth)
    if arguments.json:
        print(json.dumps([asdict(verdict) for verdict in verdicts], indent=2))
    else:
        table = Table(title=f"{arguments.model}: {'lowers' if lowers(verdicts) else 'does NOT lower'}")
        for heading in ("node", "operator", "becomes", "why not"):
            table.add_column(heading, overflow="fold")
        for verdict in verdicts:
            table.add_row(verdict.node, verdict.operator, verdict.kernel or "-", verdict.reason)
        Console(width=160, markup=False).print(table)
    return 0 if lowers(verdicts) else USER_ERROR
