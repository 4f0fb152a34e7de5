"""The RTL half of a build: stitch the folded graph, build its simulator, measure it, stream golden images through it.

    folding [-> fifos] -> stitch -> shell -> simulator [-> synth] -> measure -> simulate [-> latency] [-> netlist]

``stitch`` leaves ``rtl/``, ``design.json`` and ``io_spec.json`` in the build directory; ``shell`` leaves ``shell/``,
the logic between processor and accelerator; ``simulator`` leaves a library below ``sim/``, ``netlist`` the device as
cells. ``fifos`` and ``latency``, ``synth``, and ``netlist`` run on demand; without ``fifos``, the FIFOs are deep, which
serves simulation only.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from qonnx.custom_op.registry import getCustomOp

from board.io_spec import IoSpec
from hw_build.base.step_engine import Step, fresh_folder, write_atomically
from hw_build.fifo import sizing as fifo
from hw_build.flow.graph_steps import FOLDING, GRAPH, MISMATCH, BuildConfig, compare_logits, images, verified
from hw_build.flow.netlist_step import NETLIST_STEP, netlist_step
from hw_build.implement.shell import generate as shell
from hw_build.implement.synth.summary import synthesise_and_summarise
from hw_build.implement.synth.yosys import CELLS_OF_FAMILY, yosys_version
from hw_build.kernels.fabric import fabric_of
from hw_build.kernels.fifo_memory import memory_cost, ultra_cost
from hw_build.lowering.intake import load_graph
from hw_build.simulate.accelerator import MEASURE_ROUNDS, AcceleratorRun, build_simulator, measure_nodes, simulate
from hw_build.stitch import Design, stitch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hw_build.base.progress import Meter
    from hw_build.simulate.simulator import Progress

FIFOS, STITCH, SHELL, SIMULATOR = "fifos", "stitch", "shell", "simulator"
SYNTH, MEASURE, SIMULATE, LATENCY = "synth", "measure", "simulate", "latency"
IO_SPEC = "io_spec.json"
DEPTHS = "depths.json"  # tensor -> beats, in the folder of the step `fifos`
FRAMES, SIZED_FRAMES = 2, 3  # back to back: the fewest that show the steady interval, and that sized FIFOs keep it


def accelerator_steps(config: BuildConfig, meter: Meter) -> list[Step]:
    """The steps after the folded graph; ``meter`` shows how far a simulation is."""

    def run_fifos(folder: Path, needed: Mapping[str, Path]) -> dict[str, Any]:
        export, pixels, started = config.export, int(np.prod(config.export.size)), time.perf_counter()
        show = meter(f"FIFOs measured over {fifo.FRAMES} frames", fifo.FRAMES * pixels)
        sizing = fifo.size_fifos(
            load_graph(needed[FOLDING] / GRAPH),
            config.out / "sizing",
            export.codes,
            export.logits,
            ultra=config.board.resources.uram > 0,
            progress=lambda progress: show(progress.beats_out[0]),
        )
        show(fifo.FRAMES * pixels)
        (folder / DEPTHS).write_text(json.dumps(sizing.depths, indent=1))
        return {"interval": sizing.interval, "totals": {"fifo_sizing_seconds": round(time.perf_counter() - started, 1)}}

    def run_stitch(_folder: Path, needed: Mapping[str, Path]) -> dict[str, Any]:
        depths = json.loads((needed[FIFOS] / DEPTHS).read_text()) if config.size_fifos else None
        graph, board = load_graph(needed[FOLDING] / GRAPH), config.board
        rows = sum(getCustomOp(node).uram_estimation(board.part) for node in graph.graph.node)
        design = stitch(
            graph, config.out, fifo_depths=depths,
            model_sha256=config.export.model_sha256, uram=max(0, board.resources.uram - rows),
        )  # fmt: skip
        spec = IoSpec(_network(config), design.network_hash, *design.image_shape, design.classes, *design.out_size)
        write_atomically(config.out / IO_SPEC, spec.text().encode())
        return {"design": f"0x{design.network_hash:016x}", "totals": _fifo_totals(design, board.part)}

    def run_shell(_folder: Path, _needed: Mapping[str, Path]) -> dict[str, Any]:
        with fresh_folder(config.out / shell.FOLDER) as partial:
            shell.write_shell(Design.load(config.out), config.board, partial)
        return {}

    def run_simulator(_folder: Path, _needed: Mapping[str, Path]) -> dict[str, Any]:
        build_simulator(Design.load(config.out))
        return {}

    def run_synth(_folder: Path, _needed: Mapping[str, Path]) -> dict[str, Any]:
        return synthesise_and_summarise(Design.load(config.out), meter, CELLS_OF_FAMILY[config.board.ps.family])

    def run_measure(_folder: Path, _needed: Mapping[str, Path]) -> dict[str, Any]:
        design = Design.load(config.out)
        cycles = int(MEASURE_ROUNDS[0] * design.expected_cycles_per_frame)
        show = meter("every node on its own", cycles)
        measured = measure_nodes(design, progress=lambda progress: show(progress.cycle))
        show(cycles)
        return {"nodes": {name: {"measured_cycles": count} for name, count in measured.items()}}

    def run_simulate(_folder: Path, _needed: Mapping[str, Path]) -> dict[str, Any]:
        frames = config.export.frames(SIZED_FRAMES if config.size_fifos else FRAMES)
        run, line = simulate_and_compare(config.out, *frames, meter)
        if config.size_fifos:
            fifo.refuse_slower(run, Design.load(config.out))
        return {"verification": [line], **run_facts(config.out, run)}

    def run_latency(_folder: Path, _needed: Mapping[str, Path]) -> dict[str, Any]:
        frames = config.export.frames(SIZED_FRAMES)
        interval = Design.load(config.out).expected_cycles_per_frame
        run, line = simulate_and_compare(config.out, *frames, meter, step=LATENCY, source_cycles_per_frame=interval)
        return {"verification": [line], "totals": latency_facts(run, interval)}

    steps = [
        Step(
            name=FIFOS,
            run=run_fifos,
            needs=(FOLDING,),
            files=(config.export.golden,),
            parameters={"part": config.board.part, "ultra": config.board.resources.uram > 0},
        ),
        Step(
            name=STITCH,
            run=run_stitch,
            needs=(FOLDING, FIFOS) if config.size_fifos else (FOLDING,),
            parameters={
                "part": config.board.part,
                "uram": config.board.resources.uram,
                "network": _network(config),
                "model": config.export.model_sha256,
            },
            published=("rtl", "design.json", IO_SPEC),
        ),
        Step(
            name=SHELL,
            run=run_shell,
            needs=(STITCH,),
            parameters={"board": asdict(config.board)},
            published=(shell.FOLDER,),
        ),
        Step(name=SIMULATOR, run=run_simulator, needs=(STITCH,)),
        Step(
            name=SYNTH,
            run=run_synth,
            needs=(STITCH, SHELL),
            parameters={"yosys": yosys_version(), "cells": CELLS_OF_FAMILY[config.board.ps.family]},
        ),
        Step(name=MEASURE, run=run_measure, needs=(STITCH,)),
        Step(name=SIMULATE, run=run_simulate, needs=(STITCH,), files=(config.export.golden,)),
        Step(name=LATENCY, run=run_latency, needs=(STITCH,), files=(config.export.golden,)),
        netlist_step(config.out, config.export, meter, needs=(STITCH, SHELL)),
    ]
    wanted = {FIFOS: config.size_fifos, SYNTH: config.synth, LATENCY: config.size_fifos, NETLIST_STEP: config.netlist}
    return [step for step in steps if wanted.get(step.name, True)]


def _network(config: BuildConfig) -> str:
    return str(config.export.manifest["model"]["name"])


def simulate_and_compare(
    build_dir: Path,
    codes: np.ndarray,
    expected: np.ndarray,
    names: Sequence[str],
    meter: Meter,
    *,
    step: str = SIMULATE,
    against: str = "golden logits",
    idle: float = 0.0,
    stall: float = 0.0,
    seed: int = 0,
    source_cycles_per_frame: float | None = None,
) -> tuple[AcceleratorRun, dict[str, Any]]:
    """Streams ``codes`` (N, H, W, C) through the accelerator, back to back or one frame every
    ``source_cycles_per_frame``, and compares every logit (N, H, W, classes).

    Returns the run and its entry of the verification.

    Raises:
        MismatchError: a logit differs; both sides are saved.
        DeadlockError: the accelerator deadlocks.
    """
    design = Design.load(build_dir)
    beats = int(np.prod(codes.shape[:3])) + len(codes) * design.layout.logit_words  # pixels in and words out
    show = meter(f"{images(len(codes))} through the accelerator", beats)

    def on_progress(progress: Progress) -> None:
        show(progress.beats_in[0] + progress.beats_out[0])

    started = time.perf_counter()
    run = simulate(
        design, codes, idle=idle, stall=stall, seed=seed, source_cycles_per_frame=source_cycles_per_frame,
        progress=on_progress,
    )  # fmt: skip
    show(beats)
    assert run.logits is not None, "it is not in mask mode"
    compare_logits(run.logits, expected, names, step, build_dir / MISMATCH)
    return run, verified(step, f"{against} of {images(len(codes))}", time.perf_counter() - started)


def run_facts(build_dir: Path, run: AcceleratorRun) -> dict[str, Any]:
    """What the report shows of a run: totals, and for each node the FIFO behind it (the deepest of several)."""
    use = {stream.tensor: stream for stream in run.streams}
    fifos = {
        node.name: max((use[tensor] for tensor in node.outputs), key=lambda stream: stream.depth)
        for node in Design.load(build_dir).nodes
    }
    return {
        "totals": {
            "cycles_per_frame": run.cycles_per_frame,
            "latency_cycles": run.latency(0),
            "flush_cycles": run.flush(0),
            "simulated_khz": round(run.khz, 1),
        },
        "nodes": {name: {"fifo_depth": fifo.depth, "fifo_high_water": fifo.peak} for name, fifo in fifos.items()},
    }


def latency_facts(run: AcceleratorRun, interval: int) -> dict[str, int]:
    """Totals of a run whose source began a frame every ``interval`` cycles: those of its last frame."""
    return {
        "paced_cycles_per_frame": interval,
        "paced_latency_cycles": run.latency(-1),
        "paced_flush_cycles": run.flush(-1),
    }


def _fifo_totals(design: Design, part: str) -> dict[str, int]:
    fabric = fabric_of(part)
    uram = luts = bram18 = 0
    for stream in design.streams:
        if stream.tensor in design.ultra:
            blocks, more = ultra_cost(stream.depth, stream.width_bits)
            uram += blocks
        else:
            blocks, more = memory_cost(stream.depth, stream.width_bits, fabric)
            bram18 += blocks
        luts += more
    return {"fifo_bram18": bram18, "fifo_luts": luts} | ({"fifo_uram": uram} if uram else {})
