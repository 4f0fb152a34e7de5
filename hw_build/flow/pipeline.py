"""Runs the steps of a build with progress on the terminal, and publishes their report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hw_build.base.errors import BuildError, MismatchError
from hw_build.base.step_engine import Pipeline, Step, StepResult, write_atomically
from hw_build.flow.accelerator_steps import accelerator_steps
from hw_build.flow.collect_report import collect_report
from hw_build.flow.graph_steps import BuildConfig, graph_steps
from hw_build.report.data import REPORT_JSON, Report, Verification, read_report, write_report
from hw_build.report.page import render_page
from hw_build.report.pictures import Pictures, read_pictures

if TYPE_CHECKING:
    from pathlib import Path

    from hw_build.base.progress import BuildProgress

REPORT_HTML = "report.html"
PICTURES = "pictures.npz"


def run_pipeline(
    config: BuildConfig, progress: BuildProgress, *, start_from: str | None = None, stop_after: str | None = None
) -> dict[str, dict[str, Any]]:
    """Runs the steps of a build, shows each, and returns the facts of each.

    A difference becomes the last entry of the report's verification before the error is raised to the caller.
    """
    pipeline = Pipeline(config.out, [*graph_steps(config), *accelerator_steps(config, progress.meter)])
    progress.expect(len(pipeline.steps))
    facts: dict[str, dict[str, Any]] = {}
    running: list[Step] = []

    def on_start(step: Step) -> None:
        running.append(step)
        progress.start(step.name)

    def on_done(result: StepResult) -> None:
        facts[result.name] = result.facts
        progress.done(result.name, outcome(result))

    try:
        pipeline.run(start_from=start_from, stop_after=stop_after, on_start=on_start, on_done=on_done)
    except MismatchError as error:
        publish(config.out, collect_report(config, facts, differences=[difference(running[-1].name, error)]))
        raise
    return facts


def outcome(result: StepResult) -> str:
    """The line printed for a finished step: what it was verified against, and how long it took."""
    ladder = [f"exact, against {line['against']}" for line in result.facts.get("verification", [])]
    return " · ".join([*ladder, "unchanged" if result.cached else f"{result.seconds:.1f} s"])


def difference(step: str, error: MismatchError) -> Verification:
    """The verification entry of a step whose result differs."""
    return Verification(step=step, exact=False, against="the step before", seconds=0.0, first_difference=str(error))


def publish(build_dir: Path, report: Report, pictures: Pictures | None = None) -> None:
    """Writes ``report.json`` and ``report.html``, and saves the pictures for ``report`` to use again."""
    write_report(build_dir / REPORT_JSON, report)
    if pictures is not None:
        pictures.save(build_dir / PICTURES)
    page = render_page(report, pictures.by_caption() if pictures is not None else {})
    write_atomically(build_dir / REPORT_HTML, page.encode())


def earlier_report(build_dir: Path) -> Report | None:
    """The report of an earlier build; None if there is none, or one of another version."""
    try:
        return read_report(build_dir / REPORT_JSON)
    except BuildError:
        return None


def pictures_of(build_dir: Path, report: Report) -> Pictures | None:
    """The pictures that a demo saved, if ``report`` has an image."""
    return read_pictures(build_dir / PICTURES) if report.image is not None else None
