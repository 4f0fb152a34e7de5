"""``python -m quant train``: a float network or its quantized twin."""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("train", help="train a float network or, with --quant, its quantized twin")
    parser.add_argument("--model", required=True, help="registered network (python -m models list)")
    parser.add_argument("--quant", help="w4a4, w8a8 or a TOML file; without it the float network is trained")
    parser.add_argument("--data", required=True, help="folder with images/ masks/ train.txt val.txt, or released BUSI")
    parser.add_argument("--out", type=Path, required=True, help="folder for last.pt, best.pt and log.csv")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, default=1e-4)
    parser.add_argument("--schedule", choices=("constant", "cosine"), default="constant")
    parser.add_argument("--size", type=int, default=256, help="height and width in pixels")
    parser.add_argument("--init-from", type=Path, help="checkpoint to start from (float weights may start QAT)")
    parser.add_argument("--resume", action="store_true", help="go on from last.pt in --out")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="of the training pass")
    parser.add_argument(
        "--calibration",
        choices=("calib_data", "train"),
        default="calib_data",
        help="images that the activation scales of a new twin are fitted to: the 16 shipped ones, or 16 of --data",
    )
    parser.add_argument(
        "--ema", type=float, default=0.0, help="score and keep an average of this decay a step (0: off)"
    )
    parser.add_argument(
        "--augmentation",
        choices=("flips", "strong"),
        default="flips",
        help="flips and quarter turns (the paper's), or with them rotation, scale, shift, brightness, contrast, gamma",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from quant.config import QuantConfig
    from quant.train import TrainConfig, train

    config = TrainConfig(
        model=arguments.model,
        data=arguments.data,
        epochs=arguments.epochs,
        batch=arguments.batch,
        lr=arguments.lr,
        weight_decay=arguments.weight_decay,
        schedule=arguments.schedule,
        size=arguments.size,
        seed=arguments.seed,
        device=arguments.device,
        precision=arguments.precision,
        calibration=arguments.calibration,
        ema=arguments.ema,
        augmentation=arguments.augmentation,
    )
    quant = QuantConfig.read(arguments.quant) if arguments.quant else None
    scores = train(config, quant, arguments.out, init_from=arguments.init_from, resume=arguments.resume)
    print(json.dumps({"checkpoint": str(arguments.out / "best.pt"), **scores}))
