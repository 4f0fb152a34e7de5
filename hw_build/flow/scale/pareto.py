"""Rate over LUTs of all design points that fit a board; the Pareto-optimal ones are joined by a line."""

from __future__ import annotations

import io
from itertools import groupby
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from hw_build.base.step_engine import write_atomically
from hw_build.flow.scale.point import Figures, Outcome, Point

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_TICKS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # of each decade, in plain numbers


def front(designs: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The pairs (cost, gain) with more gain than every cheaper one, by cost."""
    best: list[tuple[float, float]] = []
    for cost, gain in sorted(designs, key=lambda design: (design[0], -design[1])):
        if not best or gain > best[-1][1]:
            best.append((cost, gain))
    return best


def draw(results: Mapping[Point, Figures], path: Path) -> None:
    """Writes an SVG: a colour for each network, bits and size."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot(
        xlabel="LUTs, by the models",
        ylabel="frames/s at 100 MHz",
        xscale="log",
        yscale="log",
        title="What fits a board",
    )
    fitting = [(point, figures) for point, figures in results.items() if figures.outcome is Outcome.FITS]

    def label(entry: tuple[Point, Figures]) -> tuple[str, str, int]:
        return entry[0].network, entry[0].bits, entry[0].side

    for (network, bits, side), group in groupby(sorted(fitting, key=label), key=label):
        of_group = [(figures.luts, figures.frames_per_second) for _, figures in group]
        designs = [(luts, rate) for luts, rate in of_group if luts is not None and rate is not None]
        (drawn,) = axes.plot(*zip(*front(designs), strict=True), marker="o", label=f"{network} {bits} {side}x{side}")
        axes.scatter(*zip(*designs, strict=True), color=drawn.get_color(), marker=".", alpha=0.6)
    if fitting:
        axes.legend(fontsize="small")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=_TICKS))
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axis.set_minor_locator(NullLocator())
    axes.grid(alpha=0.3)
    content = io.BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    write_atomically(path, content.getvalue())
