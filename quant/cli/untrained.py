"""``python -m quant untrained``: an untrained but calibrated twin of any registered network, from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quant.cli.export import size

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("untrained", help="a seeded twin without training, to export, build and scale")
    parser.add_argument("--model", required=True, help="registered network (python -m models list)")
    parser.add_argument("--quant", required=True, help="w2a4, w3a3, w4a4, w8a8 or a TOML file")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    parser.add_argument("--size", type=size, default=(256, 256), metavar="HxW", help="in pixels (default 256)")
    parser.add_argument(
        "--channels", type=int, help="of the image (default: those that the network is registered with)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the weights (default 1)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from quant.twin.config import QuantConfig
    from quant.twin.untrained import write_untrained

    quant = QuantConfig.read(arguments.quant)
    settings = {"size": arguments.size, "channels": arguments.channels, "seed": arguments.seed}
    write_untrained(arguments.model, quant, arguments.out, **settings)
    print(f"{arguments.out}: {arguments.model} at {quant.name}, untrained")
