"""``python -m quant study``: a table of recipes, seeds and folds as one job, continued by calls of limited time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quant.base.errors import ConfigError, EdgesegError

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
    from quant.training.crossval import run_fold, stop_time
    from quant.training.study import plans_of, prepare_cells, read_study, report_study, runs_together

    cells = read_study(arguments.study)
    folders: dict[str, str] = {}
    for text in arguments.data:
        name, folder = _named(text)
        if name in folders:
            raise ConfigError(f"--data {name} is given twice, as {folders[name]} and {folder}; give it once")
        folders[name] = folder
    for cell in cells:
        if cell.data not in folders:
            raise ConfigError(f"the study's cell '{cell.name}' needs data '{cell.data}'; give --data {cell.data}=DIR")
    needed = dict.fromkeys(cell.data for cell in cells)
    for name in folders:
        if name not in needed:
            raise ConfigError(
                f"no cell of the study has data '{name}'; leave out --data {name}=..., it needs: {', '.join(needed)}"
            )
    more = {"settings": {"device": arguments.device}, "stop_at": stop_time(arguments.minutes)}
    plans = plans_of(cells, arguments.out, folders, **more)
    prepare_cells(plans)
    runs = runs_together(plan for of_cell in plans.values() for plan in of_cell)
    ended = None
    try:
        run_all(run_fold, runs, arguments.jobs, arguments.scheduler)
    except EdgesegError as error:  # the time is up, or one of many runs does not train
        ended = error
    print(report_study(cells, plans, arguments.out), end="")
    if ended is not None:
        raise ended


def _named(text: str) -> tuple[str, str]:
    name, equals, folder = text.partition("=")
    if not (equals and folder):
        raise ConfigError(f"--data {text} has no name or no folder; give --data NAME=DIR")
    return name, folder
