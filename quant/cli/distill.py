"""``python -m quant distill``: a 3D teacher's knowledge into 2.5D students that lower to the board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

_SETTINGS = ("distill", "epochs", "seed", "device")


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "distill", help="train a recipe on slices of volumes with a 3D network as its teacher, and score it by volume"
    )
    parser.add_argument("--teacher", type=Path, required=True, help="3D checkpoint of train-volumes")
    parser.add_argument("--recipe", required=True, help="name in quant/recipes or a TOML file; of the students")
    parser.add_argument("--data", type=Path, required=True, help="folder of volumes of a known layout")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder: slabs, teacher, one per stage, volumes.json; continues there"
    )
    parser.add_argument("--alone", action="store_true", help="train without the teacher, which is scored beside")
    parser.add_argument(
        "--distill", type=float, help="weight of the teacher's term in the loss (default: the recipe's)"
    )
    parser.add_argument("--epochs", type=int, help="of every stage (default: the recipe's)")
    parser.add_argument("--seed", type=int, help="default: the recipe's")
    parser.add_argument("--device", help="cpu (default), cuda or cuda:N")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from quant.training.distill import distill, table_of

    settings = {name: getattr(arguments, name) for name in _SETTINGS if getattr(arguments, name) is not None}
    scores = distill(
        arguments.teacher, arguments.recipe, arguments.data, arguments.out, settings, alone=arguments.alone
    )
    print(table_of(scores), end="")
