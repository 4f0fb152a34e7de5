"""The arguments of the command ``plan``."""

from __future__ import annotations

import argparse
from pathlib import Path

from hw_build.base.board_config import board_names, load_board
from hw_build.base.errors import ConfigError


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    parser = commands.add_parser("plan", help="a recipe for a data set and a board, each choice with its reason")
    parser.add_argument("--data", type=Path, required=True, help="folder of images or volumes of a known layout")
    parser.add_argument("--board", default="pynq-z2", help=f"{', '.join(board_names())}, or a TOML file")
    parser.add_argument("--fps", type=float, default=30.0, help="images or slices a second at 100 MHz (default 30)")
    parser.add_argument("--out", type=Path, required=True, help="folder for recipe.toml, plan.json and networks/")
    parser.add_argument(
        "--networks", nargs="+", type=_network, metavar="NAME:BITS", help="to try instead, the strongest first"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=_plan)


def _network(text: str) -> tuple[str, str]:
    name, colon, bits = text.partition(":")
    if not (name and colon and bits):
        raise argparse.ArgumentTypeError(f"'{text}' is not a network with its bits; write cmunext-xxs-hw:w4a4")
    return name, bits


def _plan(arguments: argparse.Namespace) -> int:
    from hw_build.commands.plan import PlanConfig, run_plan

    if not arguments.data.is_dir():
        raise ConfigError(f"data folder '{arguments.data}' does not exist; give a folder of images or volumes")
    options = {} if arguments.networks is None else {"networks": tuple(arguments.networks)}
    config = PlanConfig(
        data=arguments.data, board=load_board(arguments.board), frames_per_second=arguments.fps, out=arguments.out,
        **options,
    )  # fmt: skip
    return run_plan(config, as_json=arguments.json)
