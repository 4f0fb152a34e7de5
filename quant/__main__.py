"""``python -m quant COMMAND``: ``--help`` lists the commands, ``COMMAND --help`` the options of each."""

from __future__ import annotations

import argparse
import sys

from board.boundary import USER_ERROR, add_debug, run_command
from quant.base.errors import EdgesegError, GateError, TimeUp
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
_GATE_CLOSED, _TIME_UP = 1, 3
_INTERRUPTED = "interrupted; the same command continues (train: with --resume)"


def main(argv: list[str] | None = None) -> int:
    """Runs the command of ``argv`` (default: the process's arguments) and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m quant", description="quantization-aware training and export")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    add_debug(commands)
    return run_command(parser.parse_args(argv), _explain, _INTERRUPTED)


def _explain(error: BaseException) -> tuple[str, int] | None:
    if isinstance(error, TimeUp):
        return str(error), _TIME_UP
    if isinstance(error, EdgesegError):
        return f"error: {error}", _GATE_CLOSED if isinstance(error, GateError) else USER_ERROR
    return None


if __name__ == "__main__":
    sys.exit(main())
