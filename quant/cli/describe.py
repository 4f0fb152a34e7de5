"""``python -m quant describe``: sizes, classes and intensities of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quant.cli.output import show

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("describe", help="sizes, spacing, classes, lesions and intensities of a data set")
    parser.add_argument("--data", type=Path, required=True, help="folder of images or volumes of a known layout")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from quant.volumes.describe import describe

    show(describe(arguments.data), arguments.json)
