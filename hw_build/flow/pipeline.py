"""What the commands ``build``, ``simulate`` and ``report`` do: run with progress on the terminal, write the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hw_build.backends.baseline import finn_baseline
from hw_build.base.errors import BuildError, ConfigError, MismatchError
from hw_build.base.export import Export
from hw_build.base.progress import BuildProgress
from hw_build.base.step_engine import Pipeline, Step, StepResult, locked_build, write_atomically
from hw_build.flow.accelerator_steps import SYNTH, accelerator_steps, simulate_and_compare
from hw_build.flow.collect_report import collect_report
from hw_build.flow.graph_steps import FOLDING, GRAPH, BuildConfig, graph_steps
from hw_build.folding.account import tell_account
from hw_build.implement.synth.summary import refuse_over_budget
from hw_build.lowering.intake import load_graph
from hw_build.report.data import REPORT_JSON, Report, Verification, read_report, write_report
from hw_build.report.keep import with_figures_of
from hw_build.report.page import render_page
from hw_build.report.pictures import Pictures, read_pictures
from hw_build.report.resources import baseline_rows
from hw_build.stitch import Design

REPORT_HTML = "report.html"
PICTURES = "pictures.npz"


def run_pipeline(
    config: BuildConfig, progress: BuildProgress, *, start_from: str | None = None, stop_after: str | None = None
) -> dict[str, dict[str, Any]]:
    """Runs the steps of a build, shows each, and returns the facts of each.

    A difference becomes the last rung of the ladder in the report before the error goes on to the caller.
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
    """The line of a finished step: what it was verified against, and how long it took when it ran."""
    ladder = [f"exact, against {line['against']}" for line in result.facts.get("verification", [])]
    return " · ".join([*ladder, "unchanged" if result.cached else f"{result.seconds:.1f} s"])


def difference(step: str, error: MismatchError) -> Verification:
    """The rung of a step whose result differs."""
    return Verification(step=step, exact=False, against="the step before", seconds=0.0, first_difference=str(error))


def publish(build_dir: Path, report: Report, pictures: Pictures | None = None) -> None:
    """Writes ``report.json`` and ``report.html``, and saves the pictures for ``report`` to use again."""
    write_report(build_dir / REPORT_JSON, report)
    if pictures is not None:
        pictures.save(build_dir / PICTURES)
    page = render_page(report, pictures.by_caption() if pictures is not None else {})
    write_atomically(build_dir / REPORT_HTML, page.encode())


def run_build(config: BuildConfig, *, start_from: str | None, stop_after: str | None) -> int:
    with BuildProgress("build") as progress:
        facts = run_pipeline(config, progress, start_from=start_from, stop_after=stop_after)
    report = with_figures_of(earlier_report(config.out), collect_report(config, facts))
    publish(config.out, report, pictures_of(config.out, report))
    if account := facts.get(FOLDING, {}).get("folding"):
        tell(f"folding: {tell_account(account)}")
    tell(f"report: {config.out / REPORT_HTML}")
    if SYNTH in facts:
        refuse_over_budget(facts[SYNTH]["totals"], config.board.resources, config.board.name)
    return 0


def run_report(build_dir: Path) -> int:
    """Writes the page of a finished build again."""
    report = read_report(build_dir / REPORT_JSON)
    publish(build_dir, report, pictures_of(build_dir, report))
    tell(f"report: {build_dir / REPORT_HTML}")
    return 0


def earlier_report(build_dir: Path) -> Report | None:
    """The report that a build left before; None where there is none, or one of another version."""
    try:
        return read_report(build_dir / REPORT_JSON)
    except BuildError:
        return None


def pictures_of(build_dir: Path, report: Report) -> Pictures | None:
    """The pictures that a demo saved, where ``report`` has an image."""
    return read_pictures(build_dir / PICTURES) if report.image is not None else None


def run_baseline(build_dir: Path, *, as_json: bool, hls: bool = False) -> int:
    """Stock FINN's estimates for the network and the cycles of a build, shown beside it and put into its report.

    With ``hls`` FINN's estimates for the HLS accelerator.
    """
    report = read_report(build_dir / REPORT_JSON)
    graph = build_dir / "steps" / "lower" / GRAPH
    if not report.nodes or not graph.is_file():
        raise BuildError(f"'{build_dir}' holds no folded graph to compare with; run the build first")
    target = max(node.expected_cycles for node in report.nodes)
    report = replace(report, baseline=finn_baseline(load_graph(graph), target, report.part, hls=hls))
    publish(build_dir, report, pictures_of(build_dir, report))
    if as_json:
        print(json.dumps(report.baseline, indent=1))
        return 0
    title = f"{'HLS: ' if hls else ''}FINN's figures are its own estimates, without FIFOs"
    table = Table(title=title, title_justify="left")
    for heading in ("", "FINN, estimated", "ours, by the models", "ours, synthesised or simulated"):
        table.add_column(heading, justify="right" if heading else "left")
    for what, *values in baseline_rows(report):
        table.add_row(what, *("–" if value is None else f"{value:,}" for value in values))
    Console(width=100).print(table)
    if report.baseline["not_in_finn"]:
        tell(f"FINN has no node for {', '.join(report.baseline['not_in_finn'])}: they count nothing")
    return 0


def run_simulate(
    build_dir: Path, export: Export, *, frames: int, idle: float, stall: float, seed: int, pace: int | None
) -> int:
    """Streams ``frames`` golden images through a built accelerator, the list repeated where it is shorter.

    ``pace``: cycles from one frame's first pixel to the next one's at the source; None: as fast as they are taken.
    """
    for name, value in (("--idle", idle), ("--stall", stall)):
        if not 0 <= value < 1:
            raise ConfigError(f"{name} is a probability and must be at least 0 and below 1, got {value}")
    for name, value in (("--frames", frames), ("--pace", pace)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}")
    with locked_build(build_dir), BuildProgress("simulate") as progress:
        Design.load(build_dir).check_model(export.model, export.model_sha256)
        run, line = simulate_and_compare(
            build_dir, *export.frames(frames), progress.meter, idle=idle, stall=stall, seed=seed,
            source_cycles_per_frame=pace,
        )  # fmt: skip
    interval = "" if run.cycles_per_frame is None else f", {run.cycles_per_frame:,} cycles per frame"
    tell(
        f"exact, against {line['against']}{interval}; the last frame is out {run.latency(-1):,} cycles after its first "
        f"pixel came in, {run.flush(-1):,} after its last; simulated at {run.khz:.0f} kHz"
    )
    return 0


def tell(sentence: str) -> None:
    Console().print(sentence, highlight=False, markup=False, soft_wrap=True)
