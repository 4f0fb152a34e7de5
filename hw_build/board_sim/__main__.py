"""``python -m hw_build.board_sim BUILD_DIR``: compiles the simulated board of a build and prints the library's path."""

import argparse
import sys
from pathlib import Path

from hw_build.errors import EdgesegError


def main(argv: list[str] | None = None) -> int:
    """Status 0, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m hw_build.board_sim", description="the simulated board of a build")
    parser.add_argument("build_dir", type=Path, metavar="BUILD_DIR", help="directory of a build, past its shell step")
    arguments = parser.parse_args(argv)
    from hw_build.board_sim.build import build_board

    try:
        print(build_board(arguments.build_dir))
    except EdgesegError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
