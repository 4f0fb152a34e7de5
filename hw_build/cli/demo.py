"""``python -m hw_build demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.cli.common import add_build_arguments, build_config, read_export

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    demo = commands.add_parser("demo", help="build, then one image through the whole accelerator, every logit compared")
    add_build_arguments(demo)
    demo.add_argument("--image", type=Path, required=True, help="8-bit image of the network's size")
    demo.add_argument("--mask", type=Path, help="its true mask, for the IoU")
    demo.add_argument(
        "--netlist-export",
        type=Path,
        help="export of the same network at a small size, whose device netlist is simulated",
    )
    demo.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    from hw_build.commands.demo import run_demo

    small = read_export(arguments.netlist_export) if arguments.netlist_export else None
    return run_demo(build_config(arguments), image=arguments.image, mask=arguments.mask, small=small)
