"""The command ``scale``: lowers every export, evaluates the grid, prints the table, writes JSON and plot."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from hw_build.base.errors import ConfigError
from hw_build.base.progress import BuildProgress, tell
from hw_build.base.step_engine import locked, write_atomically
from hw_build.flow.scale.lowered import lowered_network
from hw_build.flow.scale.pareto import draw
from hw_build.flow.scale.point import Figures, Outcome, Point, require_size
from hw_build.flow.scale.sweep import dask_cluster, local_processes, sweep
from hw_build.folding.board_share import BRAM_SHARE, LUT_SHARE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hw_build.base.board_config import Board
    from hw_build.base.export import Export

TABLE, PLOT, POINTS = "scale.json", "pareto.svg", "points"
MOST_SIDE = 1 << 13  # of an image, in pixels


@dataclass(frozen=True, kw_only=True)
class ScaleConfig:
    """The grid: every export at every side (pixels) and rate; None stands for the highest rate of each board."""

    exports: Sequence[Export]
    sides: Sequence[int]
    rates: Sequence[float | None]
    boards: Sequence[Board]
    out: Path
    jobs: int | None = None
    scheduler: str | None = None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise ConfigError(f"--jobs must be at least 1, got {self.jobs}")
        for side in self.sides:
            if not 1 <= side <= MOST_SIDE:
                raise ConfigError(f"--sizes must be 1 to {MOST_SIDE}, got {side}")
        names = [board.name for board in self.boards]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ConfigError(f"two boards are called {twice[0]}: give one of them, or rename its file")
        labels = [label(export) for export in self.exports]
        for network, bits in labels:
            if labels.count((network, bits)) > 1:
                raise ConfigError(f"two exports are of {network} at {bits}: give one of them")


def label(export: Export) -> tuple[str, str]:
    """(network, bits) of an export, as its manifest names them."""
    return export.manifest["model"]["name"], export.manifest.get("quant", {}).get("name", "as-exported")


def grid(config: ScaleConfig) -> list[Point]:
    """Every point once, in the order of the table."""
    points = []
    for network, bits in map(label, config.exports):
        for side in config.sides:
            for rate in config.rates:
                boards = [board.name for board in config.boards] if rate is None else [None]
                points += [
                    Point(network=network, bits=bits, side=side, frames_per_second=rate, board=board)
                    for board in boards
                ]
    return list(dict.fromkeys(points))


def run_scale(config: ScaleConfig, *, as_json: bool) -> int:
    """Evaluates the grid; prints the table and leaves ``scale.json`` and ``pareto.svg`` in ``config.out``."""
    points = grid(config)
    with locked(config.out), BuildProgress("scale") as progress:
        progress.expect(len(points))
        lowered = {label(export): lowered_network(export, config.boards[0].part) for export in config.exports}
        for point in {(point.network, point.bits, point.side): point for point in points}.values():
            require_size(point, lowered[point.network, point.bits])  # before the first is folded, which takes longer

        def on_done(point: Point, figures: Figures, saved: bool) -> None:
            progress.done(point.name, f"{_summary(figures)}{' · unchanged' if saved else ''}")

        executor = (
            partial(local_processes, config.jobs)
            if config.scheduler is None
            else partial(dask_cluster, config.scheduler)
        )
        results = sweep(points, lowered, config.boards, config.out / POINTS, executor=executor, on_done=on_done)
        rows = [{**asdict(point), "figures": asdict(results[point])} for point in points]
        write_atomically(config.out / TABLE, json.dumps(rows, indent=1).encode())
        draw(results, config.out / PLOT)
    if as_json:
        print(json.dumps(rows, indent=1))
        return 0
    Console(width=140, markup=False).print(_table(points, results))
    tell(f"plot: {config.out / PLOT}")
    return 0


def _summary(figures: Figures) -> str:
    if figures.outcome is Outcome.TOO_SLOW:
        return f"too slow: a layer takes {figures.cycles_per_frame:,} cycles"
    return f"{figures.cycles_per_frame:,} cycles, {figures.luts:,} LUTs: {', '.join(figures.boards) or 'no board'}"


def _table(points: Sequence[Point], results: Mapping[Point, Figures]) -> Table:
    table = Table(
        title="by the models, nothing synthesised, without the shell; a board fits with "
        f"{LUT_SHARE:.0%} of its LUTs and {BRAM_SHARE:.0%} of its block RAMs and UltraRAMs",
        title_justify="left",
    )
    for heading in ("network", "bits", "input", "asked", "cycles", "frames/s", "LUT", "BRAM36", "URAM", "DSP", "fits"):
        table.add_column(heading, justify="left" if heading in ("network", "bits", "fits") else "right")
    for point in points:
        found = results[point]
        asked = f"max, {point.board}" if point.frames_per_second is None else f"{point.frames_per_second:g}"
        numbers = (found.cycles_per_frame, found.frames_per_second, found.luts, found.bram36, found.uram, found.dsps)
        cells = ["–" if value is None else f"{value:,.0f}" for value in numbers]
        fits = ", ".join(found.boards) or found.outcome
        table.add_row(point.network, point.bits, f"{point.side}x{point.side}", asked, *cells, fits)
    return table
