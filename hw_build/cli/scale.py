"""The arguments of the command ``scale``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.base.board_config import board_names, load_board
from hw_build.base.errors import ConfigError
from hw_build.cli.common import read_export
from hw_build.folding.config import LEAST, MOST

if TYPE_CHECKING:
    import argparse

SIZES = (128, 256, 512)
RATES = ("15", "30", "60", "120", "max")
BOARDS = ("pynq-z2", "zybo-z7-20", "kv260", "zcu104")
FASTEST = "max"


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command to those of ``hw_build``."""
    parser = commands.add_parser("scale", help="which size and rate fits which board, by the models, as table and plot")
    parser.add_argument("--export", type=Path, required=True, nargs="+", help="one for each network and bits")
    parser.add_argument("--out", type=Path, required=True, help="folder of results; the same command continues there")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="sides in pixels (default: 128 256 512)")
    parser.add_argument("--fps", nargs="+", default=RATES, help="frames/s at 100 MHz, or max (default: 15 ... max)")
    parser.add_argument("--boards", nargs="+", default=BOARDS, help=f"of {', '.join(board_names())}, or TOML files")
    parser.add_argument("--jobs", type=int, help="processes (default: one a core)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster, instead of processes here")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=_scale)


def parse_rate(text: str) -> float | None:
    """The rate in frames/s, or None for 'max'.

    Raises:
        ConfigError: it is neither a number from LEAST to MOST nor 'max'.
    """
    if text == FASTEST:
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not LEAST <= rate <= MOST:
        raise ConfigError(f"--fps takes numbers from {LEAST:g} to {MOST:g} or '{FASTEST}', got '{text}'")
    return rate


def _scale(arguments: argparse.Namespace) -> int:
    from hw_build.commands.scale import ScaleConfig, run_scale

    config = ScaleConfig(
        exports=[read_export(folder) for folder in arguments.export],
        sides=arguments.sizes,
        rates=[parse_rate(text) for text in arguments.fps],
        boards=[load_board(name) for name in arguments.boards],
        out=arguments.out,
        jobs=arguments.jobs,
        scheduler=arguments.scheduler,
    )
    return run_scale(config, as_json=arguments.json)
