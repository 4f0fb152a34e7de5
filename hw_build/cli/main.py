"""The command line of ``hw_build``. A user's mistake is one line on stderr and status 2, an interruption status 130.

Commands import what they need when they run: FINN takes seconds to import, and ``boards`` needs none of it.
"""

from __future__ import annotations

import argparse

from board.boundary import add_debug, run_command
from hw_build.base.errors import explain
from hw_build.cli import (
    adopt,
    baseline,
    bench,
    bitstream,
    boards,
    build,
    check,
    demo,
    deploy,
    hls,
    ip,
    join,
    netlist,
    plan,
    report,
    run,
    scale,
    simulate,
    synth,
)

_INTERRUPTED = "interrupted; the same command continues after the last finished step"
# in the order of the help: what leads to a build, then what continues from one, then what looks at one
_COMMANDS = (
    build, demo, simulate, synth, join, netlist, deploy, ip, bitstream, hls, baseline, bench, scale, report,
    check, adopt, plan, run, boards,
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Runs the command of ``argv`` (default: the process's arguments) and returns the exit status."""
    return run_command(lambda: _parser().parse_args(argv), explain, _INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hw_build", description="from an exported network to RTL, proved exact"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    add_debug(commands)
    return parser
