"""The command ``synth``: synthesises a stitched build by Yosys, for a table or JSON and for the build's report."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from hw_build.base.board_config import Board, load_board
from hw_build.base.errors import BuildError, ConfigError
from hw_build.base.progress import BuildProgress
from hw_build.base.step_engine import locked_build
from hw_build.flow.pipeline import pictures_of, publish
from hw_build.implement.shell.joint import refuse_joint
from hw_build.implement.synth.design import synthesise_design
from hw_build.implement.synth.summary import refuse_over_budget, synthesise_and_summarise
from hw_build.implement.synth.yosys import CELLS_OF_FAMILY, Cells, SynthesisError
from hw_build.report.data import REPORT_JSON, Node, Totals, read_report
from hw_build.report.resources import budget_rows
from hw_build.stitch import Design

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_COLUMNS = ("luts", "lutram", "srl", "ffs", "bram18", "uram", "dsps", "stream_luts", "stream_bram18", "stream_uram")
_TABLE_WIDTH = 140


def run_synth(build_dir: Path, board: Board | None, *, jobs: int | None, as_json: bool, report_only: bool) -> int:
    """Synthesises the build, prints its utilisation and adds it to the report.

    Raises:
        OverBudgetError: the design needs more than the board has, unless ``report_only``.
    """
    refuse_joint(build_dir, "synth")
    with locked_build(build_dir), BuildProgress("synth") as progress:
        board = board or _board_of(build_dir)
        cells = CELLS_OF_FAMILY[board.ps.family]
        facts = synthesise_and_summarise(Design.load(build_dir), progress.meter, cells, jobs)
    _into_report(build_dir, facts)
    if as_json:
        print(json.dumps({**facts, "board": board.name, "budget": asdict(board.resources)}, indent=1))
    else:
        _show(facts, board)
    if not report_only:
        refuse_over_budget(facts["totals"], board.resources, board.name)
    return 0


def run_synth_node(build_dir: Path, name: str, board: Board | None, *, as_json: bool) -> int:
    """Synthesises one instance of the build, in 7-series cells unless ``board`` or the report says otherwise.

    Raises:
        SynthesisError: Yosys refuses the instance.
    """
    refuse_joint(build_dir, "synth")
    with locked_build(build_dir):
        design = Design.load(build_dir)
        board = board or _known_board(build_dir)
        cells = Cells.XC7 if board is None else CELLS_OF_FAMILY[board.ps.family]
        (part,) = synthesise_design(design, cells=cells, only=name)
    if part.used is None:
        raise SynthesisError(part.refusal)
    figures = {"luts": part.used.luts, **asdict(part.used)}
    if as_json:
        print(json.dumps({"node": name, "module": part.module, **figures}, indent=1))
    else:
        Console(width=_TABLE_WIDTH, markup=False).print(
            f"{name} ({part.module}): " + ", ".join(f"{count} {what}" for what, count in figures.items()),
            highlight=False,
        )
    return 0


def _into_report(build_dir: Path, facts: Mapping[str, Any]) -> None:
    """Adds the utilisation to the build's report, if there is one."""
    try:
        report = read_report(build_dir / REPORT_JSON)
    except BuildError:
        return
    known = facts["nodes"]
    nodes = [Node(**{**asdict(node), **known.get(node.name, {})}) for node in report.nodes]
    report = replace(report, totals=replace(report.totals, **facts["totals"]), nodes=nodes)
    publish(build_dir, report, pictures_of(build_dir, report))


def _known_board(build_dir: Path) -> Board | None:
    """The board that the build's report names; None without a report."""
    try:
        report = read_report(build_dir / REPORT_JSON)
    except BuildError:
        return None
    return load_board(report.board)


def _board_of(build_dir: Path) -> Board:
    board = _known_board(build_dir)
    if board is None:
        raise ConfigError("the build has no report that names its board: give --board")
    return board


def _show(facts: Mapping[str, Any], board: Board) -> None:
    console = Console(width=_TABLE_WIDTH, markup=False)
    nodes = Table(title="Yosys' mapping, before placement", title_justify="left")
    nodes.add_column("node")
    for column in _COLUMNS:
        nodes.add_column(column.replace("_", " "), justify="right")
    for name, node in facts["nodes"].items():
        nodes.add_row(name, *_figures(node))
    console.print(nodes)
    for name, node in facts["nodes"].items():
        if node.get("not_synthesised"):
            console.print(f"not synthesised: {name}: {node['not_synthesised']}", highlight=False, markup=False)
    budget = Table(title=f"against {board.name}", title_justify="left")
    for heading in ("resource", "used", "has", "share"):
        budget.add_column(heading, justify="left" if heading == "resource" else "right")
    for what, used, has in budget_rows(Totals(**facts["totals"]), asdict(board.resources)):
        budget.add_row(what, f"{used:,}", f"{has:,}", f"{used / has:.0%}")
    console.print(budget)
    missing = facts["totals"]["parts_not_synthesised"]
    if missing:
        console.print(f"{missing} instances are missing from these figures: Yosys refused them", highlight=False)


def _figures(node: Mapping[str, Any]) -> Sequence[str]:
    return [f"{node[column]:,}" if node.get(column) is not None else "–" for column in _COLUMNS]
