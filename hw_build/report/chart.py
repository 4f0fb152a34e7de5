"""Cycles per frame of every node as an SVG bar chart: expected as a bar, measured as a mark on it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from hw_build.report.data import Node

_ROW, _BAR, _LABEL, _PLOT, _VALUE, _AXIS = 18, 12, 250, 560, 190, 24  # px


def cycles_chart(nodes: Sequence[Node], cycles_per_frame: int | None) -> str:
    """One row per node in the order of the graph; a vertical line at ``cycles_per_frame`` of the whole accelerator."""
    longest = max([node.expected_cycles for node in nodes] + [node.measured_cycles or 0 for node in nodes] + [1])
    scale = _PLOT / max(longest, cycles_per_frame or 0)
    height = _AXIS + _ROW * len(nodes) + 6
    parts = [
        f'<svg class="chart" viewBox="0 0 {_LABEL + _PLOT + _VALUE} {height}" role="img" '
        'aria-label="cycles per frame of every node">'
    ]
    for row, node in enumerate(nodes):
        parts.extend(_row(node, _AXIS + row * _ROW, scale))
    if cycles_per_frame:
        x = _LABEL + cycles_per_frame * scale
        parts.append(f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="{_AXIS - 6}" y2="{height}"/>')
        parts.append(
            f'<text class="limit" x="{x:.1f}" y="{_AXIS - 10}" text-anchor="end">frame: {cycles_per_frame:,}</text>'
        )
    return "\n".join([*parts, "</svg>"])


def _row(node: Node, top: float, scale: float) -> list[str]:
    baseline = top + _BAR - 2
    width = max(node.expected_cycles * scale, 0.5)
    measured = "" if node.measured_cycles is None else f" / {node.measured_cycles:,}"
    parts = [
        f'<text x="{_LABEL - 6}" y="{baseline}" text-anchor="end">{escape(node.name)}</text>',
        f'<rect class="{escape(node.origin)}" x="{_LABEL}" y="{top}" width="{width:.1f}" height="{_BAR}">'
        f"<title>{escape(node.name)} ({escape(node.kernel)}): {node.expected_cycles:,}{measured}</title></rect>",
        f'<text x="{_LABEL + _PLOT + 10}" y="{baseline}">{node.expected_cycles:,}{measured}</text>',
    ]
    if node.measured_cycles is not None:
        x = _LABEL + node.measured_cycles * scale
        parts.append(f'<line class="measured" x1="{x:.1f}" x2="{x:.1f}" y1="{top - 1}" y2="{top + _BAR + 1}"/>')
    return parts
