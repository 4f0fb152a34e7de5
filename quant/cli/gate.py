"""``python -m quant gate``: fails when the quantized network falls too far below the float one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import calib_data

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("gate", help="compare float, QAT, QONNX and integer IoU; status 1 on too large a drop")
    parser.add_argument("--float", type=Path, required=True, dest="float_checkpoint", metavar="CHECKPOINT")
    parser.add_argument("--quantized", type=Path, required=True, metavar="CHECKPOINT")
    parser.add_argument("--data", type=Path, help="data folder (default: the 16 images of calib_data)")
    parser.add_argument("--split", help="name of the list of ids (default: val, or calib for calib_data)")
    parser.add_argument(
        "--max-drop", type=float, default=0.01, help="largest allowed drop of the pooled IoU (default 0.01)"
    )
    parser.add_argument("--qonnx-images", type=int, default=16, help="images that QONNX executes (default: first 16)")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table, e.g. for a job summary")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from quant.base.replace_file import replace_file, require_file
    from quant.evaluation.gate import GateConfig, junit, markdown, require_open, run_gate

    shipped = arguments.data is None
    config = GateConfig(
        float_checkpoint=arguments.float_checkpoint,
        quantized_checkpoint=arguments.quantized,
        data=calib_data.FOLDER if shipped else arguments.data,
        split=arguments.split or ("calib" if shipped else "val"),
        max_drop=arguments.max_drop,
        qonnx_images=arguments.qonnx_images,
    )
    for path in (arguments.junit, arguments.markdown):
        if path is not None:
            require_file(path)
    rows = run_gate(config)
    table = markdown(rows, config.max_drop)
    print(table, end="")
    for path, text in ((arguments.junit, junit(rows, config.max_drop)), (arguments.markdown, table)):
        if path is not None:
            replace_file(path, partial(Path.write_text, data=text, encoding="utf-8"))
    require_open(rows, config.max_drop)
