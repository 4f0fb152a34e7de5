"""``python -m quant sensitivity``: the IoU lost when a single layer gets fewer bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quant.cli.subject_options import add_subject_options, subject_of

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "sensitivity", help="lower one layer at a time to fewer bits: IoU lost, memory saved; no training"
    )
    add_subject_options(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from quant.bitwidths.sensitivity import measure_sensitivity, require_bits
    from quant.bitwidths.table import CSV_FILE, PICTURE_FILE, show_sensitivity, write_csv, write_picture

    require_bits(arguments.bits)
    table = measure_sensitivity(subject_of(arguments), arguments.bits, arguments.out)
    write_csv(table, arguments.out)
    write_picture(table, arguments.bits, arguments.out)
    show_sensitivity(table, arguments.bits)
    print(f"{arguments.out}: sensitivity.json, {CSV_FILE}, {PICTURE_FILE}")
