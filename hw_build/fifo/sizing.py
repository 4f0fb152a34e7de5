"""Depths of all FIFOs from the high-water marks of whole frames.

The accelerator is stitched with shallow FIFOs on ordinary streams and deep ones behind forks, and simulated for FRAMES
frames with the source throttled to the steady interval: an unthrottled source fills everything before the slowest node
and says nothing about need. An ordinary FIFO only evens out short bursts, and where it is full its writer waits; a
fork's outputs must hold the lag between its branches (`hw_build.folding.lag`), or the design deadlocks. Where
shallow FIFOs cost speed, streams that run in bursts (out of a pooling, which gives a row while it takes two, into an
upsampling, which gives two while it takes one) get a row; where that is not enough, all get two rows. Two may be too
few where levels have few rows, as between frames of a small image: a level whose windows reach over it gives nothing
until it has the next frame, and only what lies in the FIFOs behind it keeps those busy meanwhile. Then each gets a
whole frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hw_build.base.errors import BuildError
from hw_build.fifo.depths import LUTRAM_STEP, rounded_depth
from hw_build.finn_rtl.hardware_node import rows_of
from hw_build.kernels.fifo_memory import MIN_DEPTH
from hw_build.simulate.accelerator import AcceleratorRun, simulate
from hw_build.stitch import Design, Stream, stitch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qonnx.core.modelwrapper import ModelWrapper

    from hw_build.simulate.simulator import Progress

FRAMES = 4
ROWS, FRAME = "rows", "frame"  # depth of ordinary streams: as for simulation, or what holds a whole frame
# of ordinary streams, tried in turn: (depth, whether bursts get a row)
SHALLOW = ((MIN_DEPTH, False), (LUTRAM_STEP, False), (LUTRAM_STEP, True), (ROWS, False), (FRAME, False))
TOLERANCE = 1.005  # of the steady interval


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """``depths`` and high-water marks ``held`` in beats, by tensor; ``interval`` that was kept, in cycles a frame."""

    depths: dict[str, int]
    held: dict[str, int]
    interval: int


def size_fifos(
    model: ModelWrapper,
    work_dir: Path,
    codes: np.ndarray,
    logits: np.ndarray,
    *,
    ultra: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Sizing:
    """Measures what the streams of a folded ``model`` hold; builds and simulates below ``work_dir``.

    ``codes`` (N, H, W, C) and ``logits`` (N, H, W, classes) are repeated to FRAMES frames; every logit is compared.
    ``ultra``: the device has UltraRAM.

    Raises:
        BuildError: a FIFO was not deep enough to be measured, the interval is not kept, or a logit differs.
        ConfigError: it is not known which rows a node needs.
        DeadlockError: the design deadlocks.
    """
    order = np.arange(FRAMES) % len(codes)
    frames, expected = codes[order], logits[order]
    for shallow, rows in SHALLOW:
        design = _stitched(model, work_dir, shallow, rows)
        interval = design.expected_cycles_per_frame
        run = simulate(design, frames, source_cycles_per_frame=interval, progress=progress)
        assert run.logits is not None, "it is not in mask mode"
        assert run.cycles_per_frame is not None, "there are several frames"
        if not np.array_equal(run.logits, expected):
            raise BuildError(f"logits differ while FIFOs are measured in '{work_dir}': simulate the build for details")
        if run.cycles_per_frame <= TOLERANCE * interval:
            break
    else:
        raise BuildError(
            f"the accelerator takes {run.cycles_per_frame:,} cycles a frame even where each FIFO holds a frame, its "
            f"nodes at most {interval:,}: a node is slower than its model says, see the step measure"
        )
    _refuse_full(design, run)
    held = {use.tensor: use.peak for use in run.streams}
    forks = forks_of(design)
    depths = {stream.tensor: _depth(stream, held[stream.tensor], forks, ultra) for stream in design.streams}
    return Sizing(depths=depths, held=held, interval=run.cycles_per_frame)


def _depth(stream: Stream, held: int, forks: set[str], ultra: bool) -> int:
    """What holds ``held`` beats; an ordinary FIFO that was full was deep enough, since the interval was kept."""
    rounded = rounded_depth(held, stream.width_bits, ultra=ultra)
    return rounded if stream.producer in forks else min(rounded, stream.depth)


def refuse_slower(run: AcceleratorRun, design: Design) -> None:
    """BuildError when a run of the sized design, its source not throttled, takes longer a frame than its nodes do."""
    expected = design.expected_cycles_per_frame
    assert run.cycles_per_frame is not None, "there are several frames"
    if run.cycles_per_frame > TOLERANCE * expected:
        raise BuildError(
            f"with its FIFOs sized the accelerator takes {run.cycles_per_frame:,} cycles a frame instead of "
            f"{expected:,}: build it without --size-fifos and compare the marks of both reports"
        )


def _stitched(model: ModelWrapper, work_dir: Path, shallow: int | str, rows: bool) -> Design:
    design = stitch(model, work_dir)
    if shallow == ROWS:
        return design
    forks = forks_of(design)
    bursts = _burst_rows(model) if rows else {}
    depths = {}
    for stream in design.streams:
        if stream.producer not in forks:
            least = max(stream.depth, stream.beats_per_frame) if shallow == FRAME else int(shallow)
            depths[stream.tensor] = max(least, bursts.get(stream.tensor, 0) // stream.producer_elements)
    return stitch(model, work_dir, fifo_depths=depths)


def _burst_rows(model: ModelWrapper) -> dict[str, int]:
    """Tensor -> elements of a row, of what a node makes of a larger image or makes a larger image of."""
    elements = {}
    for node in model.graph.node:
        rows = rows_of(node)
        if rows.rows_in != rows.rows_out:
            name = node.output[0] if rows.rows_in > rows.rows_out else node.input[0]
            _, _, width, channels = model.get_tensor_shape(name)  # (1, H, W, C)
            elements[name] = width * channels
    return elements


def forks_of(design: Design) -> set[str]:
    """Names of the nodes with several outputs."""
    return {node.name for node in design.nodes if len(node.outputs) > 1}


def _refuse_full(design: Design, run: AcceleratorRun) -> None:
    forks = forks_of(design)
    streams = {stream.tensor: stream for stream in design.streams}
    full = [use for use in run.streams if streams[use.tensor].producer in forks and use.peak >= use.depth]
    if full:
        names = ", ".join(f"{use.label} ({use.depth} beats)" for use in full)
        raise BuildError(f"FIFOs behind forks filled up while they were measured: {names}; their branches lag by more")
