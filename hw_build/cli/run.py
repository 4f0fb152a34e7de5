"""The arguments of the command ``run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    parser = commands.add_parser("run", help="a plan, from the data to the inputs of a bitstream; goes on where it was")
    parser.add_argument("plan", type=Path, metavar="PLAN", help="the --out of `plan`")
    parser.add_argument("--dry-run", action="store_true", help="only list its commands, and which are finished")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from hw_build.commands.run import run_commands

    return run_commands(arguments.plan, dry=arguments.dry_run)
