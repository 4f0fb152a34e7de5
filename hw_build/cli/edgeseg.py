"""``edgeseg PACKAGE COMMAND ...``: the command lines of all packages, the same as ``python -m PACKAGE COMMAND``.

A package is imported when it is named, so that each brings only what it needs.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

# name on the command line -> module with its ``main``, and what it is for
_PACKAGES = {
    "models": ("models.__main__", "float networks: list them, count them"),
    "quant": ("quant.__main__", "train, evaluate, quantize, export"),
    "hw": ("hw_build.cli.main", "an exported network to RTL, bitstream and a board's files, proved exact"),
    "board": ("board.cli", "segment images on the board"),
}
_SHORTCUTS = {"plan": ("hw", "plan"), "run": ("hw", "run")}  # a name that is a command of a package


def main(argv: list[str] | None = None) -> int:
    """Hands the arguments after the package's name to that package and returns its status."""
    parser = argparse.ArgumentParser(
        prog="edgeseg",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="segmentation networks from training to a streaming accelerator on a Zynq",
        epilog="\n".join(
            ["packages:", *(f"  {name:<8} {what}" for name, (_, what) in _PACKAGES.items()), *_shortcuts()]
        ),
    )
    parser.add_argument("--version", action="version", version=_version())
    names = (*_PACKAGES, *_SHORTCUTS)
    parser.add_argument("package", choices=names, metavar="PACKAGE", help=", ".join(names))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="COMMAND ...", help="-h lists its commands")
    arguments = parser.parse_args(argv)
    package, *command = _SHORTCUTS.get(arguments.package, (arguments.package,))
    return import_module(_PACKAGES[package][0]).main([*command, *arguments.arguments])


def _shortcuts() -> list[str]:
    return [f"  {name:<8} the same as {' '.join(command)}" for name, command in _SHORTCUTS.items()]


def _version() -> str:
    try:
        return f"edgeseg {version('edgeseg')}"
    except PackageNotFoundError:
        return "edgeseg, run from its sources"


if __name__ == "__main__":
    sys.exit(main())
