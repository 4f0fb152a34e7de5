"""``python -m hw_build simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.cli.common import read_export

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    simulate = commands.add_parser("simulate", help="golden images through a built accelerator, compared")
    simulate.add_argument("--export", type=Path, required=True, help="the export that was built")
    simulate.add_argument("--out", type=Path, required=True, help="directory of the build")
    simulate.add_argument("--frames", type=int, default=2, help="golden images, back to back (default 2)")
    simulate.add_argument("--idle", type=float, default=0.0, help="probability that the source idles in a cycle")
    simulate.add_argument("--stall", type=float, default=0.0, help="probability that the sink stalls in a cycle")
    simulate.add_argument("--seed", type=int, default=1, help="seed of idling and stalling")
    simulate.add_argument("--pace", type=int, help="cycles a frame at the source (default: as fast as taken)")
    simulate.set_defaults(run=_simulate)


def _simulate(arguments: argparse.Namespace) -> int:
    from hw_build.commands.simulate import run_simulate

    return run_simulate(
        arguments.out,
        read_export(arguments.export),
        frames=arguments.frames,
        idle=arguments.idle,
        stall=arguments.stall,
        seed=arguments.seed,
        pace=arguments.pace,
    )
