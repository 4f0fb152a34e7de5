"""``python -m quant bench``: the integer reference against onnxruntime, quantized training against float."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from quant.base.replace_file import replace_text
from quant.cli.output import show

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("bench", help="time the integer reference and training against their rivals")
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint of a quantized network")
    parser.add_argument("--export", type=Path, help="its export; without it the checkpoint is exported first")
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads of all (default: onnxruntime's choice)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="leave the figures there as JSON, too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from quant.bench.integer_reference import bench

    result = bench(
        arguments.checkpoint,
        export_dir=arguments.export,
        repetitions=arguments.repetitions,
        threads=arguments.threads,
    )
    if arguments.out:
        replace_text(arguments.out, json.dumps(result, indent=1) + "\n")
    show(result, arguments.json)
