"""The command ``plan``: looks at the data, chooses a network for the board, and writes the recipe with its reasons."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from hw_build.base.board_config import Board, board_names, load_board
from hw_build.base.errors import ConfigError
from hw_build.base.progress import tell
from hw_build.base.step_engine import locked, write_atomically
from hw_build.flow.plan.commands import commands_of
from hw_build.flow.plan.networks import NETWORKS, Choice, Models, choose, run_quant
from hw_build.flow.plan.recipe import recipe_text
from hw_build.flow.plan.record import EXPORTS, PLAN, RECIPE
from hw_build.flow.plan.rules import Demand, Reason, demand
from hw_build.folding.config import DEFAULT_CLOCK_MHZ, LEAST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class PlanConfig:
    """A data folder, a board and a rate; ``networks`` (name, bits) to try, the strongest first."""

    data: Path
    board: Board
    frames_per_second: float
    out: Path
    networks: Sequence[tuple[str, str]] = NETWORKS

    def __post_init__(self) -> None:
        if not LEAST <= self.frames_per_second <= DEFAULT_CLOCK_MHZ * 1e6:
            raise ConfigError(f"--fps must be {LEAST:g} to one a cycle, got {self.frames_per_second:g}")


def run_plan(config: PlanConfig, *, as_json: bool) -> int:
    """Leaves ``recipe.toml`` and ``plan.json`` in ``config.out``; prints the reasons and the commands that follow."""
    data = json.loads(run_quant("describe", "--data", str(config.data), "--json").splitlines()[-1])
    wanted = demand(data)
    others = [load_board(name) for name in board_names() if name != config.board.name]
    with locked(config.out):
        models = Models(config.out / EXPORTS, config.board.part)
        choice = choose(wanted, models, config.board, others, config.frames_per_second, config.networks)
        reasons = [*wanted.reasons, *_of_choice(config, wanted, choice)]
        title = f"For '{config.data.resolve().name}' on {config.board.name} at {config.frames_per_second:g} frames/s."
        text = recipe_text(wanted, choice, reasons, title)
        commands = commands_of(
            data=config.data, board=config.board, out=config.out, recipe=config.out / RECIPE, demand=wanted,
            choice=choice,
        )  # fmt: skip
        record = {
            "data": data,
            "board": config.board.name,
            "asked_frames_per_second": config.frames_per_second,
            "dimension": wanted.dimension,
            "network": choice.network,
            "bits": choice.bits,
            "stages": {stage.name: _stage(stage, config.board) for stage in choice.stages},
            "frames_per_second": choice.frames_per_second,
            "reasons": [asdict(reason) for reason in reasons],
            "commands": commands,
        }
        write_atomically(config.out / RECIPE, text.encode())
        write_atomically(config.out / PLAN, (json.dumps(record, indent=1) + "\n").encode())
    if as_json:
        print(json.dumps(record, indent=1))
        return 0
    Console(width=140, markup=False).print(_table(title, reasons))
    tell(f"recipe: {config.out / RECIPE}; `edgeseg run {config.out}` then does")
    for command in commands:
        tell(f"  {command}")
    return 0


def _of_choice(config: PlanConfig, wanted: Demand, choice: Choice) -> list[Reason]:
    tried = ", ".join(f"{network} {bits}" for network, bits in config.networks)
    size = f"at {choice.side}x{choice.side}"
    if wanted.box is not None:
        size += f", crops of {'x'.join(map(str, choice.stages[1].size))}"
    reasons = [
        Reason(
            what="network",
            value=f"{choice.network} {choice.bits} {size}",
            why=f"the largest image and, at it, the first of {tried} whose models fit {config.board.name}",
        )
    ]
    for stage in choice.stages:
        used = _stage(stage, config.board)
        parts = ", ".join(f"{used[what]:,} {what} ({used[f'{what}_share']:.0%})" for what in ("luts", "bram36", "dsps"))
        parts += f", {used['uram']} of {config.board.resources.uram} UltraRAMs" if used["uram"] else ""
        reasons.append(
            Reason(
                what=f"folding of {stage.name}" if len(choice.stages) > 1 else "folding",
                value=f"{used['cycles_per_frame']:,} cycles a frame, {used['frames_per_second']:.1f} frames/s",
                why=f"the fewest LUTs at {'twice ' if wanted.box else ''}the rate that was asked for: {parts}, by the "
                "models, without the shell",
            )
        )
    if wanted.box is not None:
        reasons.append(
            Reason(
                what="rate of the cascade",
                value=f"{choice.frames_per_second:.1f} images/s",
                why="one stage after the other, each bitstream loaded once for a batch or a volume; loads not counted",
            )
        )
    return reasons


def _stage(stage: Any, board: Board) -> dict[str, Any]:
    """Prints the figures of a stage, and their share of the board."""
    found, has = stage.figures, board.resources
    shares = {f"{what}_share": getattr(found, what) / getattr(has, what) for what in ("luts", "bram36", "dsps")}
    kinds = ("cycles_per_frame", "frames_per_second", "luts", "bram36", "uram", "dsps")
    named = {what: getattr(found, what) for what in kinds}
    return {"size": list(stage.size), **named, **shares}


def _table(title: str, reasons: Sequence[Reason]) -> Table:
    table = Table(title=title, title_justify="left", show_lines=True)
    for heading in ("what", "value", "why"):
        table.add_column(heading)
    for reason in reasons:
        table.add_row(reason.what, reason.value, reason.why)
    return table
