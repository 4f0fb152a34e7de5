"""``python -m hw_build ip``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    ip = commands.add_parser("ip", help="the accelerator of a build as an IP-XACT core for your own block design")
    ip.add_argument("--out", type=Path, required=True, help="directory of the build")
    ip.add_argument("--ip", type=Path, help="folder to write (default: ip/ in the build directory)")
    ip.set_defaults(run=_ip)


def _ip(arguments: argparse.Namespace) -> int:
    from hw_build.commands.ip import run_ip

    return run_ip(arguments.out, arguments.ip)
