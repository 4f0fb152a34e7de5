"""``python -m hw_build.implement.board_sim BUILD_DIR``: compiles a build's simulated board, prints its library."""

import argparse
import sys
from pathlib import Path

from board.boundary import add_debug_to, run_command
from hw_build.base.errors import explain


def main(argv: list[str] | None = None) -> int:
    """Status 0, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m hw_build.implement.board_sim", description="the simulated board of a build"
    )
    parser.add_argument("build_dir", type=Path, metavar="BUILD_DIR", help="directory of a build, past its shell step")
    parser.set_defaults(run=_run)
    add_debug_to(parser)
    return run_command(lambda: parser.parse_args(argv), explain)


def _run(arguments: argparse.Namespace) -> None:
    from hw_build.implement.board_sim.joint import build_any_board

    print(build_any_board(arguments.build_dir))


if __name__ == "__main__":
    sys.exit(main())
