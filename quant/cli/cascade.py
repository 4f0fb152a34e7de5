"""``python -m quant slabs``, ``cascade``, ``predict-cascade`` and ``evaluate-cascade``: two networks in a cascade."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quant.cli.output import show
from quant.cli.volumes import add_window, window_of_arguments

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    slabs = commands.add_parser("slabs", help="volumes as a folder of images: slices with their neighbours as channels")
    slabs.add_argument("--data", type=Path, required=True, help="folder of volumes of a known layout")
    slabs.add_argument("--out", type=Path, required=True, help="new folder: images, masks, lists, slabs.json")
    slabs.add_argument("--slices", type=int, default=3, help="2k+1 channels (default 3: as colours)")
    slabs.add_argument("--classes", type=int, default=1, help="N: labels hold 0 to N - 1 (default 1: foreground)")
    slabs.add_argument("--foreground", action="store_true", help="all classes become one")
    slabs.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), help="of a frame (default: of the largest)")
    add_window(slabs)
    slabs.set_defaults(run=_slabs)

    join = commands.add_parser("cascade", help="join two exports of a recipe with [cascade] to a folder")
    join.add_argument("--recipe", required=True, help="TOML file with a table [cascade]")
    join.add_argument("--first", type=Path, required=True, metavar="EXPORT", help="of its first network")
    join.add_argument("--second", type=Path, required=True, metavar="EXPORT", help="of its second, at the crop's size")
    join.add_argument("--slabs", type=Path, metavar="DIR", help="folder of `slabs`: the cascade takes scans")
    join.add_argument("--out", type=Path, required=True, help="folder for cascade.json and both exports")
    join.set_defaults(run=_join)

    predict = commands.add_parser("predict-cascade", help="mask of a NIfTI scan by a cascade's integer reference")
    predict.add_argument("scan", type=Path, metavar="SCAN", help="NIfTI file")
    predict.add_argument("--cascade", type=Path, required=True, metavar="DIR", help="folder of `cascade`")
    predict.add_argument("--out", type=Path, required=True, help="NIfTI file to write; the board writes the same bytes")
    predict.set_defaults(run=_predict)

    evaluate = commands.add_parser("evaluate-cascade", help="scores of stage 1 alone and of the cascade, in integers")
    evaluate.add_argument("--cascade", type=Path, required=True, metavar="DIR", help="folder of `cascade`")
    evaluate.add_argument("--data", type=Path, required=True, help="folder of images, of `slabs`, or of volumes")
    evaluate.add_argument("--classes", type=int, default=1, help="N: labels of volumes hold 0 to N - 1, taken as one")
    evaluate.add_argument("--split", default="val", help="name of the list of ids (default val)")
    evaluate.add_argument("--json", action="store_true", help="print one JSON object")
    evaluate.set_defaults(run=_evaluate)


def _slabs(arguments: argparse.Namespace) -> None:
    from quant.volumes.slab_images import write_slabs

    counts = write_slabs(
        arguments.data,
        arguments.out,
        window=window_of_arguments(arguments),
        slices=arguments.slices,
        classes=arguments.classes,
        foreground=arguments.foreground,
        size=None if arguments.size is None else tuple(arguments.size),
    )
    show(counts, as_json=False)


def _join(arguments: argparse.Namespace) -> None:
    from quant.evaluation.cascade import join
    from quant.training.recipe import read_cascade_table
    from quant.volumes.slab_images import read_slabs

    table, reduction = read_cascade_table(arguments.recipe)
    volume = None if arguments.slabs is None else read_slabs(arguments.slabs).spec
    cascade = join(
        (arguments.first, arguments.second),
        arguments.out,
        weight=table.weight,
        threshold=table.threshold,
        reduction=reduction,
        least_pixels=table.least_pixels,
        depth=table.depth,
        volume=volume,
        crop=table.crop,
    )
    frame, crop = cascade.frame, cascade.crop
    print(f"{arguments.out}: images of {frame.height}x{frame.width}, reduced by {reduction}, crops {crop[0]}x{crop[1]}")


def _predict(arguments: argparse.Namespace) -> None:
    from quant.evaluation.cascade import segment_scan

    note = segment_scan(arguments.cascade, arguments.scan, arguments.out)
    print(f"{arguments.out}{': ' if note else ''}{note}")


def _evaluate(arguments: argparse.Namespace) -> None:
    from quant.evaluation.cascade import evaluate_cascade

    show(evaluate_cascade(arguments.cascade, arguments.data, arguments.split, arguments.classes), arguments.json)
