"""``python -m hw_build baseline``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    baseline = commands.add_parser("baseline", help="stock FINN's estimates for the same network, beside a build")
    baseline.add_argument("--out", type=Path, required=True, help="directory of the build")
    baseline.add_argument("--backend", choices=("rtl", "hls"), default="rtl", help="hls: of the HLS accelerator")
    baseline.add_argument("--json", action="store_true", help="print JSON instead of a table")
    baseline.set_defaults(run=_baseline)


def _baseline(arguments: argparse.Namespace) -> int:
    from hw_build.commands.baseline import run_baseline

    return run_baseline(arguments.out, as_json=arguments.json, hls=arguments.backend == "hls")
