"""``python -m quant train-volumes``, ``evaluate-volumes`` and ``predict-scan``: networks in 3D, or in 2.5D."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from quant.cli.output import show

if TYPE_CHECKING:
    from board.intensity import Window


def add(commands: argparse._SubParsersAction) -> None:
    _add_train(commands)
    _add_evaluate(commands)
    _add_predict(commands)


def _add_train(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "train-volumes", help="train a float network, or its twin, on volumes (NIfTI, DICOM, stacks)"
    )
    parser.add_argument("--model", required=True, help="registered network (python -m models list)")
    parser.add_argument("--data", required=True, help="folder of volumes of a known layout")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights.pt, last.pt, log.csv, window.json")
    parser.add_argument("--classes", type=int, default=1, help="N: labels hold 0 to N - 1 (default 1: foreground)")
    parser.add_argument(
        "--slices", type=int, default=0, help="2k+1 neighbouring slices as channels of an image network"
    )
    parser.add_argument(
        "--patch", type=_sides, default=(128, 128, 128), metavar="X,Y,Z", help="voxels; X,Y with --slices"
    )
    parser.add_argument(
        "--spacing", type=_distances, metavar="X,Y,Z", help="resample to so many mm (default: as they are)"
    )
    add_window(parser)
    parser.add_argument("--body-crop", action="store_true", help="draw patches from the box of the codes above 0 alone")
    parser.add_argument("--epochs", type=int, default=100, help="default 100")
    parser.add_argument("--steps", type=int, default=250, help="an epoch (default 250)")
    parser.add_argument("--batch", type=int, default=2, help="patches a step (default 2)")
    parser.add_argument("--accumulate", type=int, default=1, help="batches whose gradients make a step (default 1)")
    parser.add_argument("--lr", type=float, default=0.01, help="at the start; falls to 0 (default 0.01)")
    parser.add_argument("--weight-decay", type=float, default=3e-5, help="default 3e-5")
    parser.add_argument("--loss", default="dice-ce", help="dice-ce or distance-focal (default dice-ce)")
    parser.add_argument(
        "--foreground-share", type=float, default=1 / 3, help="of patches centred on foreground (default 1/3)"
    )
    parser.add_argument(
        "--flips", action=argparse.BooleanOptionalAction, default=True, help="flip patches at random (default)"
    )
    parser.add_argument("--ema", type=float, default=0.0, help="keep an average of this decay a step (default 0: off)")
    parser.add_argument("--seed", type=int, default=1, help="default 1")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument(
        "--quant", help="w2a4, w3a3, w4a4, w8a8 or a TOML file: train the quantized twin, with --init-from"
    )
    parser.add_argument("--init-from", type=Path, help="checkpoint to start from (float weights may start QAT)")
    parser.add_argument("--resume", action="store_true", help="continue from last.pt in --out")
    parser.set_defaults(run=_train)


def add_window(parser: argparse.ArgumentParser) -> None:
    """Adds the options of an intensity window."""
    parser.add_argument("--window", default="percentile", help="percentile, fixed or zscore (default percentile)")
    parser.add_argument("--low", type=float, help="of the window (default 1 %%, or -4 deviations)")
    parser.add_argument("--high", type=float, help="of the window (default 99 %%, or 4 deviations)")
    parser.add_argument("--nonzero", action="store_true", help="statistics of the window over voxels that are not 0")


def window_of_arguments(arguments: argparse.Namespace) -> Window:
    """The window of ``add_window``; ConfigError if its values are invalid."""
    from quant.volumes.train_config import window_of

    return window_of(arguments.window, arguments.low, arguments.high, arguments.nonzero)


def _add_evaluate(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "evaluate-volumes", help="Dice, PPV, sensitivity, ASSD, HD95, surface Dice by volume and class, with intervals"
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="of train-volumes, or of train on slices")
    parser.add_argument(
        "--integer", type=Path, metavar="EXPORT", help="let this export's integer arithmetic decide, as on the board"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of volumes of a known layout")
    parser.add_argument("--split", default="val", help="name of the list of ids (default val)")
    parser.add_argument("--overlap", type=float, default=0.5, help="of the sliding window's patches (default 0.5)")
    parser.add_argument("--tolerance", type=float, default=1.0, metavar="MM", help="of surface Dice (default 1)")
    parser.add_argument("--largest-component", action="store_true", help="keep the largest component of each class")
    parser.add_argument("--least-voxels", type=int, default=1, help="leave out smaller components (default 1)")
    parser.add_argument("--masks", type=Path, metavar="DIR", help="write each volume's labels there as NIfTI")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with each volume's scores")
    parser.set_defaults(run=_evaluate)


def _add_predict(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("predict-scan", help="labels of a NIfTI scan by the integer arithmetic of an export")
    parser.add_argument("scan", type=Path, metavar="SCAN", help="NIfTI file")
    parser.add_argument("--export", type=Path, required=True, help="of a network that was trained on slices")
    parser.add_argument("--out", type=Path, required=True, help="NIfTI file to write; the board writes the same bytes")
    parser.set_defaults(run=_predict)


def _train(arguments: argparse.Namespace) -> None:
    from quant.twin.config import QuantConfig
    from quant.volumes.train import train_volumes
    from quant.volumes.train_config import VolumeTrainConfig

    names = ("model", "data", "classes", "slices", "patch", "body_crop", "epochs", "steps", "batch", "accumulate")
    further = ("lr", "weight_decay", "loss", "foreground_share", "flips", "ema", "seed", "device")
    config = VolumeTrainConfig(
        **{name: getattr(arguments, name) for name in (*names, *further)},
        spacing_mm=arguments.spacing,
        window=window_of_arguments(arguments),
    )
    quant = None if arguments.quant is None else QuantConfig.read(arguments.quant)
    kept = train_volumes(config, arguments.out, quant=quant, init_from=arguments.init_from, resume=arguments.resume)
    print(json.dumps({"checkpoint": str(kept)}))


def _evaluate(arguments: argparse.Namespace) -> None:
    from quant.volumes.evaluate import evaluate_volumes

    scores = evaluate_volumes(
        arguments.checkpoint,
        arguments.data,
        arguments.split,
        overlap=arguments.overlap,
        tolerance_mm=arguments.tolerance,
        largest_only=arguments.largest_component,
        least_voxels=arguments.least_voxels,
        masks_dir=arguments.masks,
        integer=arguments.integer,
        device=arguments.device,
    )
    if not arguments.json:
        del scores["per_volume"]
    show(scores, arguments.json)


def _predict(arguments: argparse.Namespace) -> None:
    from quant.evaluation.scan import segment_scan

    share = segment_scan(arguments.export, arguments.scan, arguments.out)
    print(f"{arguments.out}: {share:.1%} foreground")


def _sides(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in _parts(text, str.isdigit))


def _distances(text: str) -> tuple[float, ...]:
    parts = tuple(float(part) for part in _parts(text, lambda part: part.replace(".", "", 1).isdigit()))
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"'{text}' is not a spacing of three axes; write 1,1,3")
    return parts


def _parts(text: str, is_number) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and is_number(part) for part in parts):
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of numbers; write 64,64,32")
    return parts
