"""``python -m quant COMMAND``: ``--help`` lists the commands, ``COMMAND --help`` the options of each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from board.boundary import USER_ERROR, run_command

if TYPE_CHECKING:
    import argparse

_GATE_CLOSED, _TIME_UP = 1, 3
_INTERRUPTED = "interrupted; the same command continues (train: with --resume)"


def main(argv: list[str] | None = None) -> int:
    """Runs the command of ``argv`` (default: the process's arguments) and returns the exit status."""
    return run_command(lambda: _parse(argv), _explain, _INTERRUPTED)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    from quant.cli.parser import parser  # seconds, in which Ctrl-C may come

    return parser().parse_args(argv)


def _explain(error: BaseException) -> tuple[str, int] | None:
    from quant.base.errors import EdgesegError, GateError, TimeUp

    if isinstance(error, TimeUp):
        return str(error), _TIME_UP
    if isinstance(error, EdgesegError):
        return f"error: {error}", _GATE_CLOSED if isinstance(error, GateError) else USER_ERROR
    return None


if __name__ == "__main__":
    sys.exit(main())
