"""``python -m hw_build build``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.cli.common import add_build_arguments, build_config

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    build = commands.add_parser("build", help="turn an export into RTL and a simulator, each step verified")
    add_build_arguments(build)
    build.add_argument("--stop-after", metavar="STEP", help="last step to run")
    build.add_argument("--start-from", metavar="STEP", help="redo from this step on; those before must be saved")
    build.set_defaults(run=_build)


def _build(arguments: argparse.Namespace) -> int:
    from hw_build.commands.build import run_build

    return run_build(build_config(arguments), start_from=arguments.start_from, stop_after=arguments.stop_after)
