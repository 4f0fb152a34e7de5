"""The bench of ``hw_build``: lowering and folding are timed when it runs, the rest is read from builds.

A build measured its cycles, latency, simulation speed and resources itself and left them in ``report.json``.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hw_build.base.errors import BuildError, ConfigError
from hw_build.base.progress import BuildProgress, tell
from hw_build.folding.apply import budget_for, make_plan
from hw_build.folding.config import load_folding
from hw_build.folding.options import read_network
from hw_build.lowering import lowering_steps
from hw_build.lowering.intake import load_network
from hw_build.report.data import REFERENCE_MHZ, REPORT_JSON, Report, read_report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hw_build.base.board_config import Board
    from hw_build.base.export import Export


def measure(export: Export, board: Board, foldings: Sequence[str], builds: Path | None) -> dict[str, Any]:
    """Times lowering (``lowering_seconds`` by step and in total), folds by the models, and reads the figures of builds.

    ``builds`` holds the folders of builds; one with a report of another version is left out, and its name is printed.

    Raises:
        ConfigError: a folding is unknown, or is not one that the optimiser chooses.
    """
    configs = {name: load_folding(name) for name in foldings}
    for name, config in configs.items():
        if not config.optimised:
            raise ConfigError(f"--foldings takes those with a rate or limits, not '{name}', which asks for cycles")
    with BuildProgress("bench") as progress:
        progress.expect(1 + len(configs))
        model, seconds = load_network(export.model), {}
        for step in lowering_steps(board.part):
            started = time.perf_counter()
            model = step.run(model)
            seconds[step.name] = round(time.perf_counter() - started, 2)
        progress.done("lowering", f"{sum(seconds.values()):.1f} s")
        folded = {}
        for name, config in configs.items():
            started = time.perf_counter()
            plan = make_plan(read_network(model, board.part), config, export.size, budget_for(config, board))
            folded[name] = {
                "cycles_per_frame": plan.cycles_per_frame,
                "fps_at_100mhz": REFERENCE_MHZ * 1e6 / plan.cycles_per_frame,
                "latency_cycles": plan.latency_cycles,
                "luts": plan.luts,
                "bram36": -(-plan.bram18 // 2),
                "dsps": plan.dsps,
                "seconds": round(time.perf_counter() - started, 2),
            }
            progress.done(name, f"{folded[name]['seconds']} s")
    return {
        "network": export.manifest["model"]["name"],
        "bits": export.manifest.get("quant", {}).get("name", "as-exported"),
        "size": list(export.size),
        "board": board.name,
        "lowering_seconds": {**seconds, "all": round(sum(seconds.values()), 2)},
        "foldings": folded,
        "builds": {} if builds is None else _of_builds(builds),
    }


def _of_builds(folder: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for path in sorted(folder.glob(f"*/{REPORT_JSON}")):
        try:
            found[path.parent.name] = _of_build(read_report(path))
        except BuildError as error:
            tell(f"left out: {error}")
    return found


def _of_build(report: Report) -> dict[str, Any]:
    """Totals that a build measured, whether it was exact, and the sums of its nodes' models."""
    kinds = ("luts", "bram18", "dsps")
    modelled = {what: sum(getattr(node, f"expected_{what}") or 0 for node in report.nodes) for what in kinds}
    return {
        "network": report.model["name"],
        "board": report.board,
        "exact": report.exact,
        "nodes": len(report.nodes),
        "nodes_modelled": modelled,
        **{name: value for name, value in asdict(report.totals).items() if value is not None},
    }
