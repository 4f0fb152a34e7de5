"""``python -m hw_build netlist``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.cli.common import read_export

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    netlist = commands.add_parser("netlist", help="the device netlist of a build, simulated whole, every byte compared")
    netlist.add_argument(
        "--export", type=Path, nargs="+", required=True, help="the export that was built; of a joint build both"
    )
    netlist.add_argument("--out", type=Path, required=True, help="directory of the build")
    netlist.add_argument("--frames", type=int, help="golden images in one job (default: what `build --netlist` checks)")
    netlist.add_argument("--mask", action="store_true", help="masks or class indices, not logits; with --frames")
    netlist.add_argument("--stall", type=float, default=0.0, help="probability that the memory stalls; with --frames")
    netlist.add_argument("--seed", type=int, default=1, help="seed of the stalls")
    netlist.set_defaults(run=_netlist)


def _netlist(arguments: argparse.Namespace) -> int:
    from hw_build.commands.netlist import run_netlist

    return run_netlist(
        arguments.out,
        [read_export(folder) for folder in arguments.export],
        frames=arguments.frames,
        mask=arguments.mask,
        stall=arguments.stall,
        seed=arguments.seed,
    )
