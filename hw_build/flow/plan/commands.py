"""The commands that carry out a plan, from the data to the inputs of a bitstream."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hw_build.base.board_config import Board
    from hw_build.flow.plan.networks import Choice
    from hw_build.flow.plan.rules import Demand


def commands_of(*, data: Path, board: Board, out: Path, recipe: Path, demand: Demand, choice: Choice) -> list[str]:
    """Command lines, in order; their paths are absolute, so that they work in any folder."""
    data, out, recipe = data.absolute(), out.absolute(), recipe.absolute()
    images, lines = data, []
    if demand.framed:
        images = out / "slabs"
        labels = ("--classes", demand.classes) if demand.classes > 1 else ()
        nonzero = ("--nonzero",) if demand.nonzero else ()
        size = ("--size", choice.side, choice.side)
        lines.append(_line("quant", "slabs", "--data", data, *labels, *nonzero, *size, "--out", images))
    lines.append(_line("quant", "train", "--recipe", recipe, "--data", images, "--out", out / "runs"))
    for stage in choice.stages:
        run = choice.bits if demand.box is None else f"{'coarse' if stage.name == 'first' else 'fine'}-{choice.bits}"
        export, build = out / "export" / stage.name, out / "build" / stage.name
        lines.append(_line("quant", "export", "--checkpoint", out / "runs" / run / "weights.pt", "--out", export))
        folding = ("--board", board.name, "--folding", stage.figures.cycles_per_frame)
        options = (*folding, "--size-fifos", "--netlist")
        lines.append(_line("hw_build", "build", "--export", export, *options, "--out", build))
        lines.append(_line("hw_build", "bitstream", "--inputs-only", "--out", build))
    if demand.box is not None:
        parts = ("--first", out / "export" / "first", "--second", out / "export" / "second")
        slabs = ("--slabs", images) if demand.framed else ()
        lines.append(_line("quant", "cascade", "--recipe", recipe, *parts, *slabs, "--out", out / "cascade"))
    return lines


def _line(package: str, *arguments: object) -> str:
    return shlex.join(["python", "-m", package, *map(str, arguments)])
