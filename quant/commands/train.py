"""``python -m quant train``: a float network or its quantized twin, or the stages of a recipe."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from quant.errors import ConfigError
from quant.train_config import AUGMENTATIONS, CALIBRATIONS, PRECISIONS, RANGES, SCHEDULES

_NOT_SETTINGS = ("run", "recipe", "quant", "out", "init_from", "teacher", "resume")
_NOT_WITH_A_RECIPE = ("quant", "init_from", "teacher")
_NEEDS = {"distill": "teacher", "ranges": "quant"}


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "train",
        help="train a float network or, with --quant, its quantized twin",
        argument_default=argparse.SUPPRESS,  # what is not given is left to the recipe, or to TrainConfig
    )
    parser.add_argument(
        "--recipe", help="name in quant/recipes or a TOML file; options beside it override its settings"
    )
    parser.add_argument("--model", help="registered network (python -m models list)")
    parser.add_argument("--quant", help="w4a4, w8a8 or a TOML file; without it the float network is trained")
    parser.add_argument("--data", required=True, help="folder of a known layout (README, Data sets)")
    parser.add_argument("--out", type=Path, required=True, help="folder for last.pt, best.pt, log.csv; one per stage")
    parser.add_argument("--epochs", type=int, help="default 300")
    parser.add_argument("--batch", type=int, help="images a step (default 8)")
    parser.add_argument("--lr", type=float, help="default 1e-3")
    parser.add_argument("--weight-decay", type=float, help="default 1e-4")
    parser.add_argument("--schedule", choices=SCHEDULES, help="of the learning rate (default constant)")
    parser.add_argument("--size", type=int, help="height and width in pixels (default 256)")
    parser.add_argument("--init-from", type=Path, help="checkpoint to start from (float weights may start QAT)")
    parser.add_argument("--teacher", type=Path, help="checkpoint to distil from")
    parser.add_argument("--distill", type=float, help="weight of the teacher's term in the loss (default 1)")
    parser.add_argument("--resume", action="store_true", help="go on from last.pt in --out; a recipe always does")
    parser.add_argument("--device", help="cpu (default), cuda or cuda:N")
    parser.add_argument("--precision", choices=PRECISIONS, help="of the training pass (default float32)")
    parser.add_argument(
        "--calibration",
        choices=CALIBRATIONS,
        help="images that a new twin's activation scales are fitted to: the 16 shipped ones (default), or 16 of --data",
    )
    parser.add_argument(
        "--ranges",
        choices=RANGES,
        help="of activations: as calibrated (default), or learned from there in the first half of the epochs",
    )
    parser.add_argument("--ema", type=float, help="score and keep an average of this decay a step (default 0: off)")
    parser.add_argument(
        "--augmentation",
        choices=AUGMENTATIONS,
        help="flips and quarter turns (the paper's), or with them rotation, scale, shift, brightness, contrast, gamma",
    )
    parser.add_argument("--normal-cases", action="store_true", help="keep released BUSI's images without a lesion")
    parser.add_argument("--classes", type=int, help="N: masks hold class indices 0 to N - 1 (default 1: foreground)")
    parser.add_argument("--seed", type=int, help="default 1")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from quant.ranks import is_first_process

    given = vars(arguments)
    settings = {key: value for key, value in given.items() if key not in _NOT_SETTINGS}
    folder, scores = (_follow_recipe if "recipe" in given else _train)(given, settings)
    if is_first_process():
        print(json.dumps({"checkpoint": str(folder / "best.pt"), **scores}))


def _follow_recipe(given: dict[str, Any], settings: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    from quant.recipe import follow, read_recipe

    for key in _NOT_WITH_A_RECIPE:
        if key in given:
            raise ConfigError(f"--{key.replace('_', '-')} is a recipe's own matter; leave it out, or write a recipe")
    stages = read_recipe(given["recipe"])
    return given["out"] / stages[-1].name, follow(stages, given["out"], settings)


def _train(given: dict[str, Any], settings: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    from quant.config import QuantConfig
    from quant.train import train
    from quant.train_config import TrainConfig

    if "model" not in given:
        raise ConfigError("nothing to train; give --model or --recipe")
    for key, needed in _NEEDS.items():
        if key in given and needed not in given:
            raise ConfigError(f"--{key} has no effect without --{needed}; give both")
    scores = train(
        TrainConfig(**settings),
        QuantConfig.read(given["quant"]) if "quant" in given else None,
        given["out"],
        init_from=given.get("init_from"),
        teacher=given.get("teacher"),
        resume=given.get("resume", False),
    )
    return given["out"], scores
