"""Gathers ``Report`` from the facts that the steps of a build left behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hw_build.build import FOLDING, BuildConfig
from hw_build.report.data import Image, Node, Report, Totals, Verification
from hw_build.steps import StepResult


def collect_report(
    config: BuildConfig,
    results: Mapping[str, StepResult],
    *,
    measured: Mapping[str, Any] | None = None,
    image: Image | None = None,
    differences: Sequence[Verification] = (),
) -> Report:
    """The report of a build that ran as far as ``results``; ``measured`` are the facts of its simulation."""
    measured = measured or {}
    ladder = [Verification(**line) for result in results.values() for line in result.facts.get("verification", [])]
    nodes = results[FOLDING].facts["nodes"] if FOLDING in results else []
    at_nodes = measured.get("nodes", {})
    return Report(
        board=config.board.name,
        part=config.board.part,
        model=config.export.manifest.get("model", {}),
        totals=Totals.measured(**measured["totals"]) if "totals" in measured else Totals(),
        verification=[*ladder, *differences],
        nodes=[Node(**node, **at_nodes.get(node["name"], {})) for node in nodes],
        image=image,
    )
