"""``python -m quant crossval``: evaluates a network or a recipe on images that were not trained on, each image once."""

from __future__ import annotations

import argparse
from pathlib import Path

from quant.base.errors import ConfigError
from quant.cli.training_options import add_training_options

_NOT_SETTINGS = (
    *("run", "debug", "recipe", "quant", "out", "folds", "fold_seed", "image_classes"),
    *("jobs", "scheduler", "minutes"),
)


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "crossval",
        help="train once a fold and report every image of train and val by a network that did not see it",
        argument_default=argparse.SUPPRESS,  # what is not given is left to the recipe, or to TrainConfig
    )
    add_training_options(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for the folds and what they report")
    parser.add_argument("--folds", type=int, default=5, help="default 5")
    parser.add_argument("--fold-seed", type=int, default=1, help="draws the folds (default 1)")
    parser.add_argument(
        "--image-classes",
        type=Path,
        default=None,
        metavar="CSV",
        help="columns name, class and perhaps group, whose images stay together (default: classes by name)",
    )
    parser.add_argument("--jobs", type=int, default=1, help="folds trained at once, each in a process (default 1)")
    parser.add_argument("--scheduler", default=None, help="address of a Dask scheduler whose workers train the folds")
    parser.add_argument("--minutes", type=float, default=None, help="stop before this time; the same command continues")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from quant.base.workers import run_all
    from quant.training.crossval import Plan, collect, prepare, run_fold, stop_time
    from quant.training.crossval_report import markdown, write_report
    from quant.training.recipe import Stage, read_recipe

    given = vars(arguments)
    settings = {key: value for key, value in given.items() if key not in _NOT_SETTINGS}
    if "recipe" in given:
        if "quant" in given:
            raise ConfigError("--quant is set by the recipe; leave it out, or write another recipe")
        stages = read_recipe(given["recipe"])
    elif "model" in given:
        stages = (Stage(name="network", quant=given.get("quant")),)
    else:
        raise ConfigError("nothing to train; give --model or --recipe")
    plan = Plan(
        stages=stages,
        settings=settings,
        out=arguments.out,
        folds=arguments.folds,
        fold_seed=arguments.fold_seed,
        image_classes=arguments.image_classes,
        stop_at=stop_time(arguments.minutes),
    )
    prepare(plan)
    run_all(run_fold, [([plan], fold) for fold in plan.folds_to_train()], arguments.jobs, arguments.scheduler)
    print(markdown(write_report(plan, collect(plan))), end="")
    print(f"{plan.out / plan.report_name}.json, .md, .png")
