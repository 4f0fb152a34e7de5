"""``python -m quant train``: a float network or its quantized twin, or the stages of a recipe."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from quant.base.errors import ConfigError
from quant.cli.training_options import add_training_options

_NOT_SETTINGS = ("run", "debug", "recipe", "quant", "out", "init_from", "teacher", "resume")
_NOT_WITH_A_RECIPE = ("quant", "init_from", "teacher")


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "train",
        help="train a float network or, with --quant, its quantized twin",
        argument_default=argparse.SUPPRESS,  # what is not given is left to the recipe, or to TrainConfig
    )
    add_training_options(parser)
    parser.add_argument(
        "--all-images",
        action="store_true",
        help="train on the lists train and val together, once `crossval` has told what to expect: no scores",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for weights.pt, last.pt, log.csv; one per stage"
    )
    parser.add_argument("--init-from", type=Path, help="checkpoint to start from (float weights may start QAT)")
    parser.add_argument("--teacher", type=Path, help="checkpoint to distil from")
    parser.add_argument("--distill", type=float, help="weight of the teacher's term in the loss (default 1)")
    parser.add_argument(
        "--feature-distill", type=float, metavar="W", help="weight of the distance from its decoder's features"
    )
    parser.add_argument("--resume", action="store_true", help="continue from last.pt in --out; a recipe always does")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from quant.training.ranks import is_first_process
    from quant.training.train import KEPT

    given = vars(arguments)
    settings = {key: value for key, value in given.items() if key not in _NOT_SETTINGS}
    folder, scores = (_follow_recipe if "recipe" in given else _train)(given, settings)
    if is_first_process():
        print(json.dumps({"checkpoint": str(folder / KEPT), **(scores or {})}))


def _follow_recipe(given: dict[str, Any], settings: dict[str, Any]) -> tuple[Path, dict[str, Any] | None]:
    from quant.training.recipe import follow, read_recipe, require_unseen_beginnings

    for key in _NOT_WITH_A_RECIPE:
        if key in given:
            raise ConfigError(f"--{key.replace('_', '-')} is set by the recipe; leave it out, or write another recipe")
    stages = read_recipe(given["recipe"])
    require_unseen_beginnings(stages, given["out"], settings)
    return given["out"] / stages[-1].name, follow(stages, given["out"], settings)


def _train(given: dict[str, Any], settings: dict[str, Any]) -> tuple[Path, dict[str, Any] | None]:
    from quant.training.train import train
    from quant.training.train_config import NEEDS, TrainConfig
    from quant.twin.config import QuantConfig

    if "model" not in given:
        raise ConfigError("nothing to train; give --model or --recipe")
    for key, needed in NEEDS.items():
        if key in given and needed not in given:
            raise ConfigError(f"--{key.replace('_', '-')} has no effect without --{needed}; give both")
    scores = train(
        TrainConfig(**settings),
        QuantConfig.read(given["quant"]) if "quant" in given else None,
        given["out"],
        init_from=given.get("init_from"),
        teacher=given.get("teacher"),
        resume=given.get("resume", False),
    )
    return given["out"], scores
