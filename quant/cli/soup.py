"""``python -m quant soup``: the mean of the weights of several runs of one network, as one checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("soup", help="average the weights of runs of one network into one checkpoint")
    parser.add_argument("checkpoints", type=Path, nargs="+", metavar="CHECKPOINT", help="of the same network and bits")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from quant.base import checkpoint as checkpoints
    from quant.base.errors import ConfigError
    from quant.training.soup import soup

    if arguments.out.resolve() in [path.resolve() for path in arguments.checkpoints]:
        raise ConfigError(f"--out '{arguments.out}' is one of the checkpoints that are averaged; give another file")
    averaged = soup(arguments.checkpoints)
    checkpoints.save(arguments.out, averaged)
    print(f"{arguments.out}: {averaged['model']}, the mean of {len(arguments.checkpoints)} checkpoints")
