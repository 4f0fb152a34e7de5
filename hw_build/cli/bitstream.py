"""``python -m hw_build bitstream``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError
from hw_build.cli.common import read_export

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    bitstream = commands.add_parser(
        "bitstream", help="make a bitstream of a build, or all that comes before the vendor tool"
    )
    bitstream.add_argument("--out", type=Path, required=True, help="directory of the build")
    bitstream.add_argument(
        "--export", type=Path, nargs="+", help="what was built (of a joint build both), to simulate what nextpnr routed"
    )
    bitstream.add_argument("--toolchain", help="vivado or openxc7 (default: whichever is on PATH)")
    bitstream.add_argument("--jobs", type=int, help="Yosys processes at a time (default: one a core)")
    bitstream.add_argument("--seeds", type=int, default=3, help="placements of nextpnr until one meets the clock (3)")
    bitstream.add_argument(
        "--unchecked", action="store_true", help="place and route a netlist even if no simulation showed it exact"
    )
    bitstream.add_argument(
        "--inputs-only", action="store_true", help="stop before place and route, with all that it needs"
    )
    bitstream.set_defaults(run=_bitstream)


def _bitstream(arguments: argparse.Namespace) -> int:
    from hw_build.commands.bitstream import run_bitstream
    from hw_build.implement.bitstream.tools import parse_toolchain

    if arguments.jobs is not None and arguments.jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, got {arguments.jobs}")
    if arguments.seeds < 1:
        raise ConfigError(f"--seeds must be at least 1, got {arguments.seeds}")
    return run_bitstream(
        arguments.out,
        parse_toolchain(arguments.toolchain),
        jobs=arguments.jobs,
        seeds=arguments.seeds,
        unchecked=arguments.unchecked,
        inputs_only=arguments.inputs_only,
        exports=[read_export(folder) for folder in arguments.export or ()],
    )
