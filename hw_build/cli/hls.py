"""``python -m hw_build hls``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.cli.common import read_export

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    hls = commands.add_parser("hls", help="C++ of every layer of a build for Vitis HLS, by FINN, executed and compared")
    hls.add_argument("--out", type=Path, required=True, help="directory of the build")
    hls.add_argument("--export", type=Path, help="the export that was built, whose golden images are executed")
    hls.add_argument("--image", type=Path, help="8-bit image of the network's size to execute instead")
    hls.add_argument("--mask", type=Path, help="its true mask, for the IoU")
    hls.add_argument("--finn-hlslib", type=Path, metavar="DIR", help="execute with it and with Vitis' headers")
    hls.add_argument(
        "--testbench", nargs="+", default=[], metavar="LAYER", help="write the layer's for cosimulation; all: of each"
    )
    hls.add_argument("--no-synthesis", action="store_true", help="end after the execution, without vendor tools")
    hls.set_defaults(run=_hls)


def _hls(arguments: argparse.Namespace) -> int:
    from hw_build.commands.hls import HlsConfig, run_hls

    config = HlsConfig(
        out=arguments.out,
        export=read_export(arguments.export) if arguments.export else None,
        image=arguments.image,
        mask=arguments.mask,
        finn_hlslib=arguments.finn_hlslib,
        testbenches=tuple(arguments.testbench),
        synthesis=not arguments.no_synthesis,
    )
    return run_hls(config)
