"""The command ``baseline``."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from hw_build.backends.baseline import finn_baseline
from hw_build.base.errors import BuildError
from hw_build.base.progress import tell
from hw_build.flow.graph_steps import GRAPH
from hw_build.flow.pipeline import pictures_of, publish
from hw_build.lowering.intake import load_graph
from hw_build.report.data import REPORT_JSON, read_report
from hw_build.report.resources import baseline_rows

if TYPE_CHECKING:
    from pathlib import Path


def run_baseline(build_dir: Path, *, as_json: bool, hls: bool = False) -> int:
    """Prints stock FINN's estimates for the network and the cycles of a build, and adds them to the build's report.

    With ``hls``, the estimates are those of the HLS accelerator.
    """
    report = read_report(build_dir / REPORT_JSON)
    graph = build_dir / "steps" / "lower" / GRAPH
    if not report.nodes or not graph.is_file():
        raise BuildError(f"'{build_dir}' holds no folded graph to compare with; run the build first")
    target = max(node.expected_cycles for node in report.nodes)
    baseline = finn_baseline(load_graph(graph), target, report.part, hls=hls)
    report = replace(report, baseline=baseline)
    publish(build_dir, report, pictures_of(build_dir, report))
    if as_json:
        print(json.dumps(asdict(baseline), indent=1))
        return 0
    title = f"{'HLS: ' if hls else ''}FINN's figures are its own estimates, without FIFOs"
    table = Table(title=title, title_justify="left")
    for heading in ("", "FINN, estimated", "ours, by the models", "ours, synthesised or simulated"):
        table.add_column(heading, justify="right" if heading else "left")
    for what, *values in baseline_rows(baseline, report):
        table.add_row(what, *("–" if value is None else f"{value:,}" for value in values))
    Console(width=100, markup=False).print(table)
    if baseline.not_in_finn:
        tell(f"FINN has no node for {', '.join(baseline.not_in_finn)}: they count nothing")
    return 0
