"""The command ``hls``."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from board.image_files import in_colour
from board.io_spec import decide
from board.mask_files import resize_nearest
from hw_build.backends.hls.csim import compile_program, find_headers
from hw_build.backends.hls.execution import HLS, execute_program
from hw_build.backends.hls.finn_build import finn_build
from hw_build.backends.hls.graph import hls_graph, slowest_layer
from hw_build.backends.hls.layer_benches import SCRIPT, check_names, write_layer_bench
from hw_build.backends.hls.network import read_network
from hw_build.backends.hls.program import write_program
from hw_build.backends.hls.sources import write_sources
from hw_build.backends.hls.vitis import write_vitis
from hw_build.base.errors import BuildError, ConfigError, MismatchError
from hw_build.base.image import overlap, read_image, read_mask
from hw_build.base.progress import BuildProgress, tell
from hw_build.base.step_engine import locked_build
from hw_build.commands.demo import print_table
from hw_build.flow.demo_frames import demo_frames
from hw_build.flow.graph_steps import GRAPH
from hw_build.flow.pipeline import PICTURES, difference, pictures_of, publish
from hw_build.graph.nodes import HLS_DOMAIN
from hw_build.implement.bitstream.tools import MissingToolError
from hw_build.implement.shell.generate import Shell
from hw_build.implement.shell.joint import refuse_joint
from hw_build.lowering.intake import load_graph
from hw_build.report.data import REPORT_JSON, Image, Report, Verification, read_report
from hw_build.report.pictures import Pictures
from hw_build.simulate.toolchain import compiler
from hw_build.stitch import Design

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from qonnx.core.modelwrapper import ModelWrapper

    from hw_build.base.export import Export

FOLDER, NETWORK = "hls", "network"
VITIS = ("vitis-run", "vitis_hls")  # since 2024.2, and before


@dataclass(frozen=True, kw_only=True)
class HlsConfig:
    """What ``hls`` does with the build in ``out``.

    The golden images of ``export`` are executed, or ``image`` with its true mask ``mask``; without an export,
    nothing is. ``finn_hlslib`` replaces our substitute headers. ``testbenches`` names the layers that get a testbench
    for cosimulation. Without ``synthesis`` the command ends after the execution.
    """

    out: Path
    export: Export | None = None
    image: Path | None = None
    mask: Path | None = None
    finn_hlslib: Path | None = None
    testbenches: tuple[str, ...] = ()
    synthesis: bool = True

    def __post_init__(self) -> None:
        if self.export is None and (self.image or self.finn_hlslib or self.testbenches or not self.synthesis):
            raise ConfigError(
                "--image, --finn-hlslib, --testbench and --no-synthesis say how to execute the export: give --export"
            )
        if self.mask is not None and self.image is None:
            raise ConfigError("--mask is the mask of an image: give --image, too")


def run_hls(config: HlsConfig) -> int:
    """Writes the sources of every layer to ``hls/`` of the build, executes them, then runs FINN's build to a bitstream.

    The result of the execution is the entry ``hls`` of the report's verification.

    Raises:
        MissingToolError: Vitis HLS or Vivado, with which FINN's build would continue, is not installed.
        BuildError: the build has no lowered graph or no shell yet, FINN cannot generate a layer, one does not compile,
            or FINN's build fails.
        MismatchError: a tensor or a logit differs.
        LoweringError: FINN has no node for an operator.
    """
    refuse_joint(config.out, "hls")
    build_dir, folder = config.out, config.out / FOLDER
    if config.export is not None:  # what is missing is told before anything is written
        find_headers(config.finn_hlslib)
        compiler()
        _images(config, config.export)
    with locked_build(build_dir):
        model, shell = _write(build_dir, config.export)
        _forget_rung(build_dir)
        target = Design.load(build_dir).expected_cycles_per_frame
    name, cycles = slowest_layer(model)
    reached = "" if cycles <= target else "; no layer of it folds further: give the build more cycles a frame"
    tell(f"folded for the build's {target:,} cycles a frame: {cycles:,} by FINN's estimate, in {name}{reached}")
    for kind, wanted in (("C++ for Vitis HLS", True), ("RTL in FINN's build, C++ of ours in hls/network", False)):
        counts = Counter(node.op_type for node in model.graph.node if (node.domain == HLS_DOMAIN) == wanted)
        if counts:
            tell(f"{kind}: {', '.join(f'{count} {name}' for name, count in sorted(counts.items()))}")
    if config.export is None:
        tell("nothing was executed: give --export, whose golden images the C++ then computes")
    else:
        with locked_build(build_dir):
            report = _execute(config, config.export, model, shell)
        if not config.synthesis:
            print_table(report)
            return 0
    if lacking := _missing():
        raise MissingToolError(
            f"{'; '.join(lacking)}, so nothing was synthesised; the sources of every layer are ready in '{folder}'"
        )
    board = read_report(build_dir / REPORT_JSON).board
    with locked_build(build_dir):
        made = finn_build(
            (folder / GRAPH).resolve(), (folder / "finn").resolve(), board=board, part=shell.part,
            clk_period_ns=1000.0 / shell.fabric_mhz,
        )  # fmt: skip
    tell(f"FINN's build: {made}")
    return 0


def _write(build_dir: Path, export: Export | None) -> tuple[ModelWrapper, Shell]:
    """Writes the sources of the HLS graph; returns the graph and the shell of the build."""
    lowered = build_dir / "steps" / "lower" / GRAPH
    if not lowered.is_file():
        raise BuildError(f"'{build_dir}' holds no lowered graph; run the build as far as its shell first")
    design, shell = Design.load(build_dir), Shell.load(build_dir)
    if export is not None:
        design.check_model(export.model, export.model_sha256)
    model = hls_graph(load_graph(lowered), shell.part, design.expected_cycles_per_frame)
    write_sources(model, build_dir / FOLDER, shell.part, 1000.0 / shell.fabric_mhz)
    return model, shell


def _execute(config: HlsConfig, export: Export, model: ModelWrapper, shell: Shell) -> Report:
    """Compiles and runs the program, adds the result to the report, and leaves the program ready for Vitis HLS."""
    report, headers = read_report(config.out / REPORT_JSON), find_headers(config.finn_hlslib)
    codes, name, truth = _images(config, export)
    program = config.out / FOLDER / NETWORK
    network = read_network(model, config.out / FOLDER)
    benches = check_names(network, config.testbenches)
    write_program(network, program)
    with BuildProgress(HLS) as progress:
        progress.start("g++ compiles every layer")
        simulation = compile_program(network, program, headers, progress.meter)
        progress.start("every layer is executed")
        frames = demo_frames(export, config.out, codes, name)
        try:
            done = execute_program(simulation, model, frames, config.out, headers)
        except MismatchError as error:
            _publish(config.out, report, difference(HLS, error))
            raise
        progress.done(HLS, f"exact, against {done.rung['against']} · {done.rung['seconds']:.1f} s")
    write_program(network.with_depths(done.depths), program)
    period = 1000.0 / shell.fabric_mhz
    write_vitis(network, program, frames.codes, frames.logits, part=shell.part, clk_period_ns=period)
    if benches:
        given = simulation.run_layers(frames.codes[:1])
        for layer in benches:
            place = config.out / FOLDER / layer.layer
            write_layer_bench(network, layer, given, place, part=shell.part, clk_period_ns=period)
        tell(f"testbenches of {len(benches)} layers: {SCRIPT} in the folder of each below '{config.out / FOLDER}'")
    if config.image is not None:
        prediction = decide(done.logits[0])
        iou = None if truth is None else overlap(prediction, resize_nearest(truth, prediction.shape), export.classes)
        report = replace(report, image=Image(name=name, logits=int(done.logits[0].size), differing_logits=0, iou=iou))
        Pictures(codes=in_colour(codes), prediction=prediction, truth=truth).save(config.out / PICTURES)
    return _publish(config.out, report, Verification(**done.rung))


def _images(config: HlsConfig, export: Export) -> tuple[np.ndarray, str, np.ndarray | None]:
    """The image to execute (H, W, C), its name, and its true mask (H, W) where one is given."""
    if config.image is None:
        return export.codes[0], export.names[0], None
    codes = read_image(config.image, export.size, export.channels)
    truth = None if config.mask is None else read_mask(config.mask, export.size, export.classes)
    return codes, config.image.stem, truth


def _forget_rung(build_dir: Path) -> None:
    """Removes the result of earlier sources from the report."""
    report = read_report(build_dir / REPORT_JSON)
    ladder = [line for line in report.verification if line.step != HLS]
    if len(ladder) < len(report.verification):
        report = replace(report, verification=ladder)
        publish(build_dir, report, pictures_of(build_dir, report))


def _publish(build_dir: Path, report: Report, rung: Verification) -> Report:
    """Publishes the report with ``rung`` in place of an earlier entry of the same step."""
    ladder = [*(line for line in report.verification if line.step != HLS), rung]
    report = replace(report, verification=ladder)
    publish(build_dir, report, pictures_of(build_dir, report))
    return report


def _missing() -> list[str]:
    """What FINN's build needs and is not installed, one clause each."""
    lacking = []
    if not any(shutil.which(name) for name in VITIS):
        lacking.append(f"neither {' nor '.join(VITIS)} is on PATH (AMD's Vitis HLS)")
    if not shutil.which("vivado"):
        lacking.append("vivado is not on PATH (AMD's Vivado ML Standard)")
    if not os.environ.get("XILINX_VIVADO"):
        lacking.append("XILINX_VIVADO is not set (Vivado's settings64.sh sets it)")
    return lacking
