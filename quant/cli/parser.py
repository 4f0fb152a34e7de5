"""The commands of ``python -m quant`` and their options."""

from __future__ import annotations

import argparse

from board.boundary import add_debug
from quant.cli import (
    bench,
    cascade,
    crossval,
    describe,
    distill,
    evaluate,
    export,
    gate,
    pictures,
    predict,
    search,
    sensitivity,
    settle,
    soup,
    study,
    train,
    untrained,
    volumes,
)

_COMMANDS = (
    *(train, crossval, study, soup, untrained, settle, evaluate, export),
    *(gate, predict, pictures, sensitivity, search, bench, volumes, distill, cascade, describe),
)


def parser() -> argparse.ArgumentParser:
    """Of all commands; each sets ``run``, a function of the arguments."""
    found = argparse.ArgumentParser(prog="python -m quant", description="quantization-aware training and export")
    commands = found.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    add_debug(commands)
    return found
