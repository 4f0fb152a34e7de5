"""What an earlier report of the very same design on the same board knew and a shorter run did not measure again.

A build that stops early, at the shell for instance, leaves the sources as they were: what was measured of them holds.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from hw_build.report.data import Node, Report, Totals


def with_figures_of(earlier: Report | None, report: Report) -> Report:
    """``report`` with what ``earlier`` has beyond it; ``report`` itself where that is of another design or board."""
    if earlier is None or report.design is None:
        return report
    if (earlier.design, earlier.board, earlier.model) != (report.design, report.board, report.model):
        return report
    known = {node.name: node for node in earlier.nodes}
    steps = {line.step for line in report.verification}
    return replace(
        report,
        totals=Totals(**_filled(report.totals, earlier.totals)),
        nodes=[Node(**_filled(node, known[node.name])) for node in report.nodes],
        verification=[*report.verification, *(line for line in earlier.verification if line.step not in steps)],
        image=report.image or earlier.image,
        baseline=report.baseline or earlier.baseline,
        implementation=report.implementation or earlier.implementation,
    )


def _filled(new: Node | Totals, earlier: Node | Totals) -> dict[str, Any]:
    """Fields of ``new``, those without a value from ``earlier``."""
    return asdict(earlier) | {name: value for name, value in asdict(new).items() if value is not None}
