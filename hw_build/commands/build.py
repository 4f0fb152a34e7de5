"""The command ``build``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.progress import BuildProgress, tell
from hw_build.flow.accelerator_steps import SYNTH
from hw_build.flow.collect_report import account_of, collect_report
from hw_build.flow.pipeline import REPORT_HTML, earlier_report, pictures_of, publish, run_pipeline
from hw_build.folding.account import tell_account
from hw_build.implement.shell.joint import refuse_joint
from hw_build.implement.synth.summary import refuse_over_budget
from hw_build.report.keep import with_figures_of

if TYPE_CHECKING:
    from hw_build.flow.graph_steps import BuildConfig


def run_build(config: BuildConfig, *, start_from: str | None, stop_after: str | None) -> int:
    """Runs the steps of a build, within ``--start-from`` and ``--stop-after``, and writes the report.

    Raises:
        BuildError: the synthesised design needs more than the board has.
        MismatchError: a step is not exact.
    """
    refuse_joint(config.out, "build")
    with BuildProgress("build") as progress:
        facts = run_pipeline(config, progress, start_from=start_from, stop_after=stop_after)
    report = with_figures_of(earlier_report(config.out), collect_report(config, facts))
    publish(config.out, report, pictures_of(config.out, report))
    if account := account_of(facts):
        tell(f"folding: {tell_account(account)}")
    tell(f"report: {config.out / REPORT_HTML}")
    if SYNTH in facts:
        refuse_over_budget(facts[SYNTH]["totals"], config.board.resources, config.board.name)
    return 0
