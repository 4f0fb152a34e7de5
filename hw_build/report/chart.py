"""Bar charts as SVG: cycles of every node, shares of the board, where the LUTs go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw_build.report.template import fill

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from hw_build.report.data import Node

_ROW, _BAR, _LABEL, _PLOT, _VALUE = 18, 12, 250, 560, 190  # px
_AXIS, _FOOT, _SHORTEST = 24, 6, 0.5


@dataclass(frozen=True, kw_only=True)
class Bar:
    """``value`` as a bar of class ``kind``, ``mark`` as a line across it; ``text`` is behind, ``tip`` on hovering."""

    label: str
    value: float
    text: str
    kind: str = "edgeseg"
    mark: float | None = None
    tip: str = ""


def bars(title: str, rows: Sequence[Bar], limit: float | None = None, limit_text: str = "") -> Markup:
    """A row a bar, all of one scale; a vertical line at ``limit``, its text above."""
    axis = _AXIS if limit_text else 3
    longest = max([value for row in rows for value in (row.value, row.mark or 0)] + [limit or 0, 1e-9])
    scale = _PLOT / longest
    return fill(
        "bars.svg.j2",
        title=title,
        width=_LABEL + _PLOT + _VALUE,
        height=axis + _ROW * len(rows) + _FOOT - 3,
        left=_LABEL,
        plot=_PLOT,
        thick=_BAR,
        axis=axis,
        limit=None if limit is None else limit * scale,
        limit_text=limit_text,
        bars=[
            {
                "label": row.label,
                "text": row.text,
                "tip": row.tip,
                "kind": row.kind,
                "top": axis + _ROW * number,
                "length": max(row.value * scale, _SHORTEST),
                "mark": None if row.mark is None else row.mark * scale,
            }
            for number, row in enumerate(rows)
        ],
    )


def cycles_chart(nodes: Sequence[Node], cycles_per_frame: int | None) -> Markup:
    """Expected cycles of every node, in the order of the graph, as bars, measured ones as marks on them.

    A vertical line stands at ``cycles_per_frame`` of the whole accelerator.
    """
    rows = []
    for node in nodes:
        text = f"{node.expected_cycles:,}"
        text += "" if node.measured_cycles is None else f" / {node.measured_cycles:,}"
        rows.append(
            Bar(
                label=node.name,
                value=node.expected_cycles,
                text=text,
                kind=node.origin,
                mark=node.measured_cycles,
                tip=f"{node.name} ({node.kernel}): {text}",
            )
        )
    text = f"frame: {cycles_per_frame:,}" if cycles_per_frame else ""
    return bars("cycles per frame of every node", rows, limit=cycles_per_frame or None, limit_text=text)
