"""``python -m quant COMMAND``: ``--help`` lists the commands, ``COMMAND --help`` the options of each."""

from __future__ import annotations

import argparse
import sys

from quant.commands import (
    bench,
    evaluate,
    export,
    gate,
    pictures,
    predict,
    search,
    sensitivity,
    settle,
    train,
    untrained,
)
from quant.errors import EdgesegError, GateError

_GATE_CLOSED, _BAD_INPUT, _INTERRUPTED = 1, 2, 130


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m quant", description="quantization-aware training and export")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (train, untrained, settle, evaluate, export, gate, predict, pictures, sensitivity, search, bench):
        command.add(commands)
    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    except EdgesegError as error:
        print(f"error: {error}", file=sys.stderr)
        return _GATE_CLOSED if isinstance(error, GateError) else _BAD_INPUT
    except OSError as error:
        where = "" if error.filename is None else f": '{error.filename}'"
        print(f"error: {error.strerror}{where}; free space or choose another --out", file=sys.stderr)
        return _BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted; the same command goes on (train: with --resume)", file=sys.stderr)
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
