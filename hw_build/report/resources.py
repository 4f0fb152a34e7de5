"""What a build takes of its board, and where the LUTs go: as figures and as charts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hw_build.report.chart import Bar, bars

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup

    from hw_build.report.data import Baseline, Node, Report, Totals

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
        ("DSP slices", totals.dsps or 0, budget["dsps"]),
        *([("UltraRAM", totals.uram or 0, budget["uram"])] if budget.get("uram") else []),
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


def budget_chart(rows: Sequence[tuple[str, int, int]]) -> Markup:
    """A bar per resource, as long as its share of the board; the line at the right end is all there is."""
    return bars(
        "shares of the board",
        [
            Bar(
                label=what,
                value=used / has,
                text=f"{used:,} of {has:,} ({used / has:.0%})",
                kind="over" if used > has else "edgeseg",
            )
            for what, used, has in rows
        ],
        limit=1.0,
    )


def luts_chart(rows: Sequence[tuple[str, int, int]]) -> Markup:
    """A bar per kind of node."""
    whole = max(sum(luts for _, _, luts in rows), 1)
    return bars(
        "LUT sites by kind of node",
        [
            Bar(label=f"{count} {kind}" if count else kind, value=luts, text=f"{luts:,} ({luts / whole:.0%})")
            for kind, count, luts in rows
        ],
    )
