"""``python -m quant evaluate``: scores of a checkpoint or an export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quant.base.errors import ConfigError
from quant.cli.output import show

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="IoU (Jaccard), F1 (Dice), precision, recall (sensitivity), specificity, HD95 and more on a split",
    )
    parser.add_argument("--checkpoint", type=Path, help="float or quantized checkpoint")
    parser.add_argument("--integer", type=Path, metavar="EXPORT", help="run this export's integer arithmetic instead")
    parser.add_argument("--data", type=Path, required=True, help="folder of a known layout (docs/how-to/data-sets.md)")
    parser.add_argument("--split", default="val", help="name of the list of ids (default val)")
    parser.add_argument("--normal-cases", action="store_true", help="keep released BUSI's images without a lesion")
    parser.add_argument(
        "--image-classes",
        type=Path,
        metavar="CSV",
        help="columns name and class (default: classes by the images' names)",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from quant.evaluation.evaluate import evaluate_checkpoint, evaluate_integer

    if arguments.integer is not None:
        scores = evaluate_integer(
            arguments.integer,
            arguments.data,
            arguments.split,
            arguments.device,
            arguments.checkpoint,
            normal_cases=arguments.normal_cases,
            image_classes=arguments.image_classes,
        )
    elif arguments.checkpoint is not None:
        scores = evaluate_checkpoint(
            arguments.checkpoint,
            arguments.data,
            arguments.split,
            arguments.device,
            normal_cases=arguments.normal_cases,
            image_classes=arguments.image_classes,
        )
    else:
        raise ConfigError("nothing to evaluate; give --checkpoint, --integer or both")
    show(scores, arguments.json)
