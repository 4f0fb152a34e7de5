"""The main job on one image: build, stream the image through the whole accelerator, compare every logit, report.

The last comparison is that of the device netlist. A whole frame takes minutes to simulate in it, so a small export of
the same network is used, if one is given. Builds are cached; the simulations and the comparison always run.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

from board.image_files import in_colour
from board.io_spec import decide
from board.mask_files import resize_nearest
from hw_build.base.errors import MismatchError
from hw_build.base.image import overlap, read_image, read_mask
from hw_build.base.progress import BuildProgress, tell
from hw_build.base.step_engine import Pipeline, locked
from hw_build.flow.accelerator_steps import MEASURE, SHELL, SIMULATE, accelerator_steps, run_facts, simulate_and_compare
from hw_build.flow.collect_report import collect_report
from hw_build.flow.demo_frames import demo_frames
from hw_build.flow.graph_steps import BuildConfig, graph_steps
from hw_build.flow.netlist_step import NETLIST_STEP, check_device, jobs_of
from hw_build.flow.pipeline import REPORT_HTML, difference, earlier_report, publish, run_pipeline
from hw_build.report.data import REPORT_JSON, Image, Report, read_report
from hw_build.report.keep import with_figures_of
from hw_build.report.pictures import Pictures

if TYPE_CHECKING:
    from pathlib import Path

    from hw_build.base.export import Export

_TABLE_COLUMNS = 110


def run_demo(config: BuildConfig, *, image: Path, mask: Path | None, small: Export | None = None) -> int:
    """Prints the table, leaves ``report.html`` in the build directory, and returns 0 when every step was exact.

    ``small``: the same network exported at a small size, whose device netlist is made and simulated, too.
    """
    codes = read_image(image, config.export.size, config.export.channels)
    truth = None if mask is None else read_mask(mask, config.export.size, config.export.classes)
    try:
        report = _build_and_simulate(config, image.stem, codes, truth, small)
    except MismatchError:
        print_table(read_report(config.out / REPORT_JSON))
        raise
    print_table(report)
    tell(f"report: {(config.out / REPORT_HTML).resolve()}")
    return 0


def _build_and_simulate(
    config: BuildConfig, name: str, codes: np.ndarray, truth: np.ndarray | None, small: Export | None
) -> Report:
    with BuildProgress("demo") as progress:
        facts = run_pipeline(config, progress, stop_after=MEASURE)
        progress.start(SIMULATE)
        started = time.perf_counter()
        frames = demo_frames(config.export, config.out, codes, name)
        try:
            run, line = simulate_and_compare(
                config.out, frames.codes, frames.logits, frames.names, progress.meter, against=frames.against
            )
        except MismatchError as error:
            publish(config.out, collect_report(config, facts, differences=[difference(SIMULATE, error)]))
            raise
        progress.done(SIMULATE, f"exact, against {line['against']} · {time.perf_counter() - started:.1f} s")
        facts[SIMULATE] = {"verification": [line], **run_facts(config.out, run)}
        if small is not None:
            try:
                facts[NETLIST_STEP] = {"verification": [_check_netlist(config, small, progress)]}
            except MismatchError as error:
                publish(config.out, collect_report(config, facts, differences=[difference(NETLIST_STEP, error)]))
                raise
    assert run.logits is not None, "they were compared"
    prediction = decide(run.logits[0])
    shown = Image(
        name=name,
        logits=int(frames.logits[0].size),
        differing_logits=int(np.count_nonzero(run.logits[0] != frames.logits[0])),
        iou=None
        if truth is None
        else overlap(prediction, resize_nearest(truth, prediction.shape), config.export.classes),
    )
    report = with_figures_of(earlier_report(config.out), collect_report(config, facts, image=shown))
    publish(config.out, report, Pictures(codes=in_colour(codes), prediction=prediction, truth=truth))
    return report


def _check_netlist(config: BuildConfig, small: Export, progress: BuildProgress) -> dict[str, Any]:
    """Builds the device netlist of ``small`` with the board and folding of the demo, and returns its verification."""
    height, width = small.size
    size = f"{height}x{width}"
    build = replace(config, export=small, out=config.out / f"netlist-{size}", size_fifos=False, synth=False)
    pipeline = Pipeline(build.out, [*graph_steps(build), *accelerator_steps(build, progress.meter)])
    progress.start(f"{NETLIST_STEP}, {size}")
    pipeline.run(stop_after=SHELL)
    with locked(build.out):
        _, line = check_device(build.out, [small], jobs_of([small]), progress.meter)
    progress.done(NETLIST_STEP, f"exact, against {line['against']} · {line['seconds']:.1f} s")
    return line


def print_table(report: Report) -> None:
    """Prints the verification and the figures of a report on stdout."""
    console = Console(width=_TABLE_COLUMNS, markup=False)
    ladder = Table(title="verification", title_justify="left")
    for heading in ("step", "result", "compared with"):
        ladder.add_column(heading)
    ladder.add_column("seconds", justify="right")
    for line in report.verification:
        seconds = "" if line.seconds is None else f"{line.seconds:.1f}"
        ladder.add_row(line.step, line.first_difference or "exact", line.against, seconds)
    console.print(ladder)
    totals, image = report.totals, report.image
    figures = Table(show_header=False)
    for name, value in (
        ("cycles per frame", totals.cycles_per_frame),
        ("frames/s at 100 MHz", totals.fps_at_100mhz),
        ("cycles, first pixel in to last logit out", totals.latency_cycles),
        ("cycles, last pixel in to last logit out", totals.flush_cycles),
        ("kHz of the simulation", totals.simulated_khz),
        ("parameters", report.model.get("parameters")),
        ("GMAC in convolutions", report.model.get("gmac_conv")),
        ("IoU of the image", None if image is None else image.iou),
    ):
        if value is not None:
            figures.add_row(name, f"{value:,.3f}" if isinstance(value, float) else f"{value:,}")
    console.print(figures)
