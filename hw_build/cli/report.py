"""``python -m hw_build report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    report = commands.add_parser("report", help="write report.html of a finished build again")
    report.add_argument("--out", type=Path, required=True, help="directory of the build")
    report.set_defaults(run=_report)


def _report(arguments: argparse.Namespace) -> int:
    from hw_build.commands.report import run_report

    return run_report(arguments.out)
