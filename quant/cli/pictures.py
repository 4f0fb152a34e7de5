"""``python -m quant pictures``: a contact sheet of a data set's cases, and curves of training runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quant.base.errors import ConfigError

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("pictures", help="best, median and worst cases of a data set; curves of training runs")
    parser.add_argument("--checkpoint", type=Path, help="network of the contact sheet")
    parser.add_argument("--data", type=Path, help="data folder of the contact sheet")
    parser.add_argument("--split", default="val", help="name of the list of ids (default val)")
    parser.add_argument("--each", type=int, default=4, help="cases per row of the contact sheet (default 4)")
    parser.add_argument("--runs", type=Path, nargs="+", metavar="DIR", help="folders of runs whose curves are drawn")
    parser.add_argument("--out", type=Path, required=True, help="folder for cases.png and curves.png")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from board.image_files import in_colour
    from quant.base import checkpoint as checkpoints
    from quant.data.crops import load_seen
    from quant.evaluation.pictures import contact_sheet, training_curves
    from quant.evaluation.predict import predict_masks
    from quant.twin.networks import channels_in, classes_of, from_checkpoint

    if (arguments.checkpoint is None) != (arguments.data is None) or not (arguments.checkpoint or arguments.runs):
        raise ConfigError("nothing to draw; give --checkpoint and --data for cases, --runs for curves, or all three")
    if arguments.each < 1:
        raise ConfigError(f"--each must be at least 1, got {arguments.each}")
    if arguments.checkpoint:
        checkpoint = checkpoints.load(arguments.checkpoint)
        shape = {"classes": classes_of(checkpoint), "channels": channels_in(checkpoint)}
        samples = load_seen(checkpoint, arguments.data, arguments.split, **shape)
        predictions = predict_masks(from_checkpoint(checkpoint), samples.codes, 8)
        codes = in_colour(samples.codes.permute(0, 2, 3, 1).numpy())  # (N, C, H, W) -> (N, H, W, 3)
        path = arguments.out / "cases.png"
        contact_sheet(path, codes, predictions, samples.masks[:, 0].numpy(), samples.names, arguments.each)
        print(path)
    if arguments.runs:
        path = arguments.out / "curves.png"
        training_curves(path, arguments.runs)
        print(path)
