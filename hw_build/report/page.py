"""``report.html``: one self-contained page (inline style, SVG and PNG data) made from a ``Report`` and the pictures."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hw_build.folding.account import tell_account
from hw_build.report.chart import cycles_chart
from hw_build.report.pictures import png_data_uri
from hw_build.report.resources import baseline_rows, budget_chart, budget_rows, luts_by_kind, luts_chart
from hw_build.report.template import fill

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from hw_build.report.data import Node, Report, Totals

Rows = list[list[Any]]


def render_page(report: Report, pictures: Mapping[str, np.ndarray]) -> str:
    """The page as text. ``pictures`` maps captions to (H, W) or (H, W, 3) uint8, shown in their order."""
    totals = report.totals
    budget = budget_rows(totals, report.budget)
    page = fill(
        "report.html.j2",
        report=report,
        name=str(report.model.get("name", "network")),
        facts=_facts(report),
        pictures={caption: png_data_uri(pixels) for caption, pixels in pictures.items()},
        cycles=cycles_chart(report.nodes, totals.cycles_per_frame),
        account=tell_account(report.folding) if report.folding else "",
        netlist=_netlist(totals),
        implementation=_implementation(report),
        budget=budget_chart(budget) if budget else "",
        luts=luts_chart(luts_by_kind(report.nodes, totals.luts)) if totals.luts is not None else "",
        resources=["node", *(columns := _resources(report))],
        node_resources=[[node.name, *(getattr(node, field) for field in columns.values())] for node in report.nodes],
        baseline=[list(row) for row in baseline_rows(report.baseline, report)] if report.baseline else [],
        nodes=[_node(node) for node in report.nodes],
    )
    return f"{page}\n"


def _facts(report: Report) -> list[tuple[str, Any]]:
    totals, model = report.totals, report.model
    return [
        ("cycles per frame", totals.cycles_per_frame),
        ("frames/s at 100 MHz", totals.fps_at_100mhz),
        ("latency, first pixel in to last result out, cycles", totals.latency_cycles),
        ("latency at a steady rate, cycles (frame periods)", _paced(totals)),
        ("flush, last pixel in to last result out, cycles", totals.flush_cycles),
        ("parameters", model.get("parameters")),
        ("GMAC in convolutions", model.get("gmac_conv")),
        ("IoU of the image", report.image.iou if report.image else None),
        ("kHz of the simulation", totals.simulated_khz),
    ]


def _paced(totals: Totals) -> str | None:
    """Latency where frames come at the design's own rate, and in frame periods."""
    if totals.paced_latency_cycles is None or not totals.paced_cycles_per_frame:
        return None
    return f"{totals.paced_latency_cycles:,} ({totals.paced_latency_cycles / totals.paced_cycles_per_frame:.2f})"


def _netlist(totals: Totals) -> Rows:
    """What the device netlist takes; nothing where it was not made."""
    if totals.netlist_luts is None:
        return []
    return [
        ["LUT sites", totals.netlist_luts],
        ["flip-flops", totals.netlist_ffs],
        ["BRAM36", totals.netlist_bram36],
        ["DSP48E1", totals.netlist_dsps],
    ]


def _implementation(report: Report) -> Rows:
    """What place and route made of it; nothing where no tool ran."""
    if report.implementation is None:
        return []
    figures = asdict(report.implementation)
    rows: Rows = [[what.replace("_", " "), value] for what, value in figures.items()]
    return [*rows, ["frames/s at this clock", report.totals.fps_at_fmax]]


def _resources(report: Report) -> dict[str, str]:
    """Heading of each column of a node's resources -> field; those of UltraRAM where the board has it."""
    ultra = bool(report.budget.get("uram"))
    return {
        **{"LUTs, model": "expected_luts", "LUTs": "luts", "LUTRAM": "lutram", "SRL": "srl", "FFs": "ffs"},
        **{"BRAM18, model": "expected_bram18", "BRAM18": "bram18"},
        **({"UltraRAM, model": "expected_uram", "UltraRAM": "uram"} if ultra else {}),
        **{"DSPs, model": "expected_dsps", "DSPs": "dsps"},
        **{"LUTs behind it": "stream_luts", "BRAM18 behind it": "stream_bram18"},
        **({"UltraRAM behind it": "stream_uram"} if ultra else {}),
    }


def _node(node: Node) -> list[Any]:
    shapes = ("×".join(map(str, shape[1:])) for shape in (node.shape_in, node.shape_out))
    return [
        *(node.name, node.layer, node.origin, *shapes),  # the name is the kernel and a number
        *(node.bits, node.pe, node.simd, node.expected_cycles, node.measured_cycles),
        *(node.fifo_depth, node.fifo_high_water),
    ]
