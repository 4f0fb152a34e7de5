"""The command ``join``: two finished builds -> a folder with both accelerators in one device."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from board.cascade_spec import STAGES
from hw_build.base.board_config import Board, load_board
from hw_build.base.errors import BuildError, ConfigError
from hw_build.base.progress import tell
from hw_build.base.step_engine import fresh_folder, locked_build
from hw_build.implement.shell.device import load_device
from hw_build.implement.shell.generate import Shell
from hw_build.implement.shell.joint import Joint, check_pair, copy_build, is_joint, refuse_joint, write_joint
from hw_build.implement.synth.summary import OverBudgetError
from hw_build.report.data import REPORT_JSON, Totals, read_report
from hw_build.report.resources import budget_rows
from hw_build.stitch import Design

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hw_build.report.data import Report

_SUMMED = ("luts", "lutram", "srl", "ffs", "bram36", "uram", "dsps")


def run_join(builds: Sequence[Path], out: Path, *, board: Board | None, simulation_only: bool) -> int:
    """Joins the builds ``builds``, first and second, in ``out``.

    ``simulation_only`` asks for no figures of synthesis: such a folder serves the simulated board alone.

    Raises:
        BuildError: a build is not finished, they are of different boards or clocks, or of UltraScale+.
        OverBudgetError: together they take more than the board has.
    """
    _check_out(out, builds)
    for build in builds:
        with locked_build(build):
            refuse_joint(build, "join")
            load_device(build)
    shells = [Shell.load(build) for build in builds]
    check_pair(shells, builds)
    taken = "" if simulation_only else f", {_refuse_over_budget(builds, board)}"
    with fresh_folder(out) as partial:
        for stage, build in zip(STAGES, builds, strict=True):
            copy_build(build, partial / stage)
        folder = partial / Joint.FOLDER
        folder.mkdir()
        designs = [Design.load(partial / stage) for stage in STAGES]
        joint = write_joint(designs, shells, folder, simulation_only=simulation_only)
    bases = " and ".join(f"0x{system.control_base:08X}" for system in joint.systems)
    tell(f"{out}: two accelerators with registers at {bases}{taken}")
    return 0


def _check_out(out: Path, builds: Sequence[Path]) -> None:
    if out.exists() and not is_joint(out) and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"'{out}' holds something else than joined builds: give --out another folder")
    if any(out.resolve() in (build.resolve(), *build.resolve().parents) for build in builds):
        raise ConfigError(f"--out '{out}' holds a build that is to be joined: give another folder")


def _refuse_over_budget(builds: Sequence[Path], board: Board | None) -> str:
    """What both take together by Yosys' mapping, in words; each build was synthesised and found exact."""
    reports = [_finished(build) for build in builds]
    if len(names := {report.board for report in reports}) > 1:
        raise BuildError(f"the builds are for different boards, {' and '.join(sorted(names))}: build both for one")
    board = board or load_board(reports[0].board)
    sums = {name: sum(getattr(report.totals, name) or 0 for report in reports) for name in _SUMMED}
    rows = budget_rows(Totals(**sums), asdict(board.resources))
    if over := [f"{used:,} {what} of {has:,}" for what, used, has in rows if used > has]:
        raise OverBudgetError(
            f"both accelerators do not fit {board.name}: they take {', '.join(over)}; fold them for fewer frames per "
            "second, or deploy both builds, whose bitstreams are loaded one after the other"
        )
    return ", ".join(f"{used:,} {what} of {has:,}" for what, used, has in rows)


def _finished(build: Path) -> Report:
    report = read_report(build / REPORT_JSON)
    if not report.exact:
        raise BuildError(f"'{build}' was not exact: build it again before it is joined")
    if report.totals.luts is None or report.totals.cycles_per_frame is None:
        lacks = "synthesised" if report.totals.luts is None else "simulated"
        raise BuildError(
            f"'{build}' is not finished, it was not {lacks}: run `python -m hw_build build --synth` to its end, or "
            "give --simulation-only"
        )
    if report.totals.parts_not_synthesised:
        raise BuildError(f"parts of '{build}' could not be synthesised, so what it takes is unknown: see its report")
    return report
