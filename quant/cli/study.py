"""``python -m quant study``: a table of recipes, seeds and folds as one job, continued by calls of limited time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quant.base.errors import ConfigError, TimeUp

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("study", help="train a table of recipes, seeds and folds; the same call continues")
    parser.add_argument("study", help="name in quant/studies or a TOML file")
    parser.add_argument(
        "--data", action="append", required=True, metavar="NAME=DIR", help="folder of a data set that the study names"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for all runs and the table")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    parser.add_argument("--jobs", type=int, default=1, help="networks trained at once (default 1)")
    parser.add_argument("--scheduler", help="address of a Dask scheduler whose workers train them")
    parser.add_argument("--minutes", type=float, help="stop before this time; the same command continues")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from quant.base.workers import run_all
    from quant.training.crossval import Plan, prepare, run_fold, stop_time
    from quant.training.study import read_study, report_study

    cells = read_study(arguments.study)
    folders = dict(_named(text) for text in arguments.data)
    for cell in cells:
        if cell.data not in folders:
            raise ConfigError(f"the study's cell '{cell.name}' needs data '{cell.data}'; give --data {cell.data}=DIR")
    more = {"settings": {"device": arguments.device}, "stop_at": stop_time(arguments.minutes)}
    plans = {cell.name: cell.plans(arguments.out, folders[cell.data], **more) for cell in cells}
    of_folder: dict[Path, list[Plan]] = {}  # those that share stages must not train them at once
    for plan in (plan for of_cell in plans.values() for plan in of_cell):
        prepare(plan)
        of_folder.setdefault(plan.out, []).append(plan)
    runs = [(together, fold) for together in of_folder.values() for fold in together[0].folds_to_train()]
    late = None
    try:
        run_all(run_fold, runs, arguments.jobs, arguments.scheduler)
    except TimeUp as error:
        late = error
    print(report_study(cells, plans, arguments.out), end="")
    if late is not None:
        raise late


def _named(text: str) -> tuple[str, str]:
    name, equals, folder = text.partition("=")
    if not equals:
        raise ConfigError(f"--data {text} has no name; give --data NAME=DIR")
    return name, folder
