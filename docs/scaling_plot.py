"""Draws docs/images/scaling.svg from the second table of docs/results/scaling.md: ``python docs/scaling_plot.py``.

Rate over LUTs of the designs for 256x256 that a board holds; a line a network, a marker a board, the smallest.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

PAGE = Path(__file__).parent / "results" / "scaling.md"
PLOT = Path(__file__).parent / "images" / "scaling.svg"
CLOCK_HZ = 100e6
MARKERS = {"pynq-z2": "o", "kv260": "s", "zcu104": "^"}  # from the smallest board
_ROW = re.compile(r"\| (\S+) \| (\d) \| (\d+)x\3 \| \d+ \| ([\d,]+) \| ([\d,]+) \| .* \| ([^|]+) \|")


class Design(NamedTuple):
    """A row of the table; ``boards`` hold it."""

    network: str
    bits: int
    side: int
    cycles: int
    luts: int
    boards: tuple[str, ...]


def designs(page: str) -> list[Design]:
    """Those of the second table."""
    table = page.partition("## Networks beside each other")[2]
    found = []
    for network, bits, side, cycles, luts, fits in _ROW.findall(table):
        boards = tuple(board for board in MARKERS if re.search(rf"\b{board}\b", fits.partition("(")[0]))
        numbers = (int(number.replace(",", "")) for number in (bits, side, cycles, luts))
        found.append(Design(network, *numbers, boards))
    return found


def fingerprint(found: list[Design]) -> str:
    """What the plot says it was drawn from."""
    return hashlib.sha256(repr(found).encode()).hexdigest()


def draw(found: list[Design], path: Path, side: int = 256) -> None:
    """Writes an SVG with a panel for each number of bits."""
    figure = Figure(figsize=(10, 5), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    shown = [design for design in found if design.side == side and design.boards]
    networks = sorted({design.network for design in shown})
    for axes, bits in zip(panels, (4, 8), strict=True):
        axes.set(title=f"{bits} bits, {side}x{side}", xlabel="LUTs, by the models", xscale="log", yscale="log")
        for index, network in enumerate(networks):
            own = [design for design in shown if (design.network, design.bits) == (network, bits)]
            luts, rates = [design.luts for design in own], [CLOCK_HZ / design.cycles for design in own]
            colour = f"C{index % 10}"
            axes.plot(luts, rates, color=colour, ls="--" if index > 9 else "-")
            for design, rate in zip(own, rates, strict=True):
                axes.plot(design.luts, rate, color=colour, marker=MARKERS[design.boards[0]], ls="")
            if own:
                axes.text(luts[-1], 1.06 * rates[-1], network, color=colour, fontsize=7, rotation=50)
        axes.grid(alpha=0.3)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            axis.set_minor_formatter(NullFormatter())
        axes.set(yticks=[10, 20, 40, 80], ylim=(8, 130), xlim=(3000, 300_000))
    panels[0].set_ylabel("frames/s at 100 MHz")
    for board, marker in MARKERS.items():
        panels[1].plot([], [], marker=marker, ls="", color="0.3", label=board)
    figure.legend(title="smallest board that holds it", loc="outside lower center", ncols=len(MARKERS))
    figure.savefig(path, format="svg", metadata={"Date": None, "Description": fingerprint(found)})


if __name__ == "__main__":
    draw(designs(PAGE.read_text(encoding="utf-8")), PLOT)
