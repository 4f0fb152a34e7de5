"""Resources as SVG: the shares of the board that are taken, and where the LUTs go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from hw_build.report.data import Baseline, Node, Report, Totals

_ROW, _BAR, _LABEL, _PLOT, _VALUE = 18, 12, 250, 560, 190  # px
BETWEEN = "FIFOs and width converters"
OTHER = "shell, input FIFO and output stage"


def budget_rows(totals: Totals, budget: Mapping[str, int]) -> list[tuple[str, int, int]]:
    """(resource, used, what the board has); empty where nothing was synthesised."""
    if totals.luts is None:
        return []
    return [
        ("LUT sites", totals.luts, budget["luts"]),
        ("LUTRAM and SRL", (totals.lutram or 0) + (totals.srl or 0), budget["memory_luts"]),
        ("flip-flops", totals.ffs or 0, budget["ffs"]),
        ("BRAM36", totals.bram36 or 0, budget["bram36"]),
        ("DSP48E1", totals.dsps or 0, budget["dsps"]),
    ]


def baseline_rows(theirs: Baseline, report: Report) -> list[tuple[str, int | None, int | None, int | None]]:
    """(figure, FINN's estimate, ours by the models, ours measured)."""
    ours, nodes = report.totals, report.nodes
    modelled = {
        name: sum(getattr(node, f"expected_{name}") or 0 for node in nodes) for name in ("luts", "bram18", "dsps")
    }
    slowest = max((node.expected_cycles for node in nodes), default=None)
    bram18 = None if ours.bram36 is None else 2 * ours.bram36
    return [
        ("cycles per frame", theirs.cycles_per_frame, slowest, ours.cycles_per_frame),
        ("LUTs", theirs.luts, modelled["luts"], ours.luts),
        ("DSPs", theirs.dsps, modelled["dsps"], ours.dsps),
        ("BRAM18", theirs.bram18, modelled["bram18"], bram18),
    ]


def luts_by_kind(nodes: Sequence[Node], total_luts: int) -> list[tuple[str, int, int]]:
    """(kind of node, how many, LUT sites of all of them), the largest first; their sum is ``total_luts``."""
    luts: Counter[str] = Counter()
    for node in nodes:
        luts[node.kernel] += node.luts or 0
        luts[BETWEEN] += node.stream_luts or 0
    counts = Counter(node.kernel for node in nodes)
    luts[OTHER] = total_luts - luts.total()
    return sorted(((kind, counts[kind], sum_) for kind, sum_ in luts.items()), key=lambda row: -row[2])


def budget_chart(rows: Sequence[tuple[str, int, int]]) -> str:
    """A bar per resource, as long as its share of the board; the line at the right end is all there is."""
    bars = [(what, used / has, f"{used:,} of {has:,} ({used / has:.0%})") for what, used, has in rows]
    return _bars("shares of the board", bars, limit=1.0)


def luts_chart(rows: Sequence[tuple[str, int, int]]) -> str:
    """A bar per kind of node."""
    whole = max(sum(luts for _, _, luts in rows), 1)
    bars = [
        (f"{count} {kind}" if count else kind, luts, f"{luts:,} ({luts / whole:.0%})") for kind, count, luts in rows
    ]
    return _bars("LUT sites by kind of node", bars)


def _bars(title: str, bars: Sequence[tuple[str, float, str]], limit: float | None = None) -> str:
    longest = max([value for _, value, _ in bars] + [limit or 0, 1e-9])
    height = _ROW * len(bars) + 6
    parts = [
        f'<svg class="chart" viewBox="0 0 {_LABEL + _PLOT + _VALUE} {height}" role="img" aria-label="{escape(title)}">'
    ]
    for row, (label, value, text) in enumerate(bars):
        top, width = row * _ROW + 3, max(value * _PLOT / longest, 0.5)
        kind = "over" if limit is not None and value > limit else "edgeseg"
        parts += [
            f'<text x="{_LABEL - 6}" y="{top + _BAR - 2}" text-anchor="end">{escape(label)}</text>',
            f'<rect class="{kind}" x="{_LABEL}" y="{top}" width="{width:.1f}" height="{_BAR}"/>',
            f'<text x="{_LABEL + _PLOT + 10}" y="{top + _BAR - 2}">{escape(text)}</text>',
        ]
    if limit is not None:
        x = _LABEL + limit * _PLOT / longest
        parts.append(f'<line class="limit" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height}"/>')
    return "\n".join([*parts, "</svg>"])
