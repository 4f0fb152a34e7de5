"""The arguments of the commands ``bench`` and ``bench-merge``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hw_build.base.board_config import load_board
from hw_build.base.step_engine import write_atomically
from hw_build.cli.common import read_export

if TYPE_CHECKING:
    import argparse

FOLDINGS = ("pynq-z2-60fps", "pynq-z2-low-latency", "pynq-z2-max")


def add(commands: argparse._SubParsersAction) -> None:
    """Adds both commands to those of ``hw_build``."""
    bench = commands.add_parser("bench", help="lowering and folding timed, finished builds' figures, as JSON")
    bench.add_argument("--export", type=Path, required=True, help="export to lower and fold")
    bench.add_argument("--board", default="pynq-z2", help="board to fold for (default pynq-z2)")
    bench.add_argument("--foldings", nargs="+", default=FOLDINGS, help="that an optimiser chooses (default: shipped)")
    bench.add_argument("--builds", type=Path, metavar="DIR", help="folder with finished builds, for what they measured")
    bench.add_argument("--out", type=Path, required=True, help="JSON file to write")
    bench.set_defaults(run=_bench)

    merge = commands.add_parser("bench-merge", help="the JSON of all stages' benches as one file and a table")
    merge.add_argument("files", type=Path, nargs="+", metavar="FILE", help="JSON that a stage's bench left")
    merge.add_argument("--out", type=Path, required=True, help="JSON file to write, a key for each file's name")
    merge.set_defaults(run=_merge)


def _bench(arguments: argparse.Namespace) -> int:
    from hw_build.flow.bench.measure import measure

    result = measure(
        read_export(arguments.export), load_board(arguments.board), list(arguments.foldings), arguments.builds
    )
    _write(arguments.out, result)
    return 0


def _merge(arguments: argparse.Namespace) -> int:
    from hw_build.flow.bench.table import merge, print_tables

    merged = merge(arguments.files)
    _write(arguments.out, merged)
    print_tables(merged)
    return 0


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())
