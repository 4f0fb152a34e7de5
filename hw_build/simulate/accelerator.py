"""Whole frames through a stitched accelerator, with cycle stamps, FIFO marks and the cycles of every node.

The simulator is built once per RTL (weights that lie in memory files need no new build) and kept below the build
directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from board.io_spec import decide
from hw_build.base.errors import BuildError
from hw_build.kernels.base import StreamPort
from hw_build.simulate.build import build
from hw_build.simulate.simulator import DeadlockError, Progress, SimulationError, Simulator
from hw_build.simulate.wrapper import LastStreamPort, ProbePort
from hw_build.stitch.design import TOP_MODULE, Design, Stream

if TYPE_CHECKING:
    from collections.abc import Callable

GAUGE_WORDS = 8
PEAK, LEVEL, BEATS, FRAMES_BEGUN, BEGUN, BEGUN_BEFORE, WAITED = range(7)
MEASURE_ROUNDS = (1.4, 2.6)  # times the slowest node's cycles: most nodes begin a second frame in the first
PINS = {"mask_mode": 1, "isolate": 1}
LOGITS, MASK = 0, 1


@dataclass(frozen=True, kw_only=True)
class StreamUse:
    """What one stream saw in a run: ``peak`` beats held at most of ``depth``, ``waited`` cycles of a full FIFO."""

    label: str
    tensor: str
    depth: int
    peak: int
    beats: int
    waited: int


@dataclass(frozen=True, kw_only=True)
class AcceleratorRun:
    """Result of :func:`simulate`.

    ``logits`` int32 (N, H, W, classes) or None in mask mode; ``masks`` (N, H, W), bool or uint8 indices.
    ``first_in``, ``last_in`` and ``last_out`` are the cycles of each frame's first pixel in, last pixel in and last
    word out; ``cycles_per_frame`` is the distance between the last words of the last two frames, None for a single one.
    """

    logits: np.ndarray | None
    masks: np.ndarray
    first_in: list[int]
    last_in: list[int]
    last_out: list[int]
    cycles_per_frame: int | None
    streams: list[StreamUse]
    cycles: int
    seconds: float

    def latency(self, frame: int) -> int:
        """Cycles from the first pixel of a frame in to its last word out."""
        return self.last_out[frame] - self.first_in[frame]

    def flush(self, frame: int) -> int:
        """Cycles from the last pixel of a frame in to its last word out."""
        return self.last_out[frame] - self.last_in[frame]

    @property
    def khz(self) -> float:
        """Simulated cycles per millisecond."""
        return self.cycles / max(self.seconds, 1e-9) / 1e3


def build_simulator(design: Design) -> Simulator:
    """Compile the accelerator (or find it compiled) below ``design.build_dir/sim``.

    Raises:
        BuildError: a source is not the one that was stitched, or Verilator or g++ fails.
    """
    design.check_sources()
    channels = design.image_shape[2]
    pixel = StreamPort(
        tdata="s_axis_tdata", tvalid="s_axis_tvalid", tready="s_axis_tready", width_bits=8 * channels,
        payload_bits=8 * channels, element_bits=8,
    )  # fmt: skip
    word = LastStreamPort(
        tdata="m_axis_tdata", tvalid="m_axis_tvalid", tready="m_axis_tready", width_bits=32, payload_bits=32,
        element_bits=32, tlast="m_axis_tlast",
    )  # fmt: skip
    folders = sorted({path.parent for path in design.rtl_files})
    return build(
        TOP_MODULE, design.rtl_files, design.build_dir / "sim", parameters={"GAUGE": "1"}, inputs=[pixel],
        outputs=[word], include_dirs=folders, pins=PINS, probe=ProbePort(), fast=True,
    )  # fmt: skip


def simulate(
    design: Design,
    codes: np.ndarray,
    *,
    mask_mode: bool = False,
    idle: float = 0.0,
    stall: float = 0.0,
    seed: int = 0,
    source_cycles_per_frame: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    simulator: Simulator | None = None,
) -> AcceleratorRun:
    """Stream frames ``codes`` uint8 (N, H, W, C) back to back through the accelerator.

    ``source_cycles_per_frame`` throttles the source to a steady rate. Raises DeadlockError with the full and the empty
    FIFOs, SimulationError when TLAST is not exactly at the frame ends.
    """
    height, width, channels = design.image_shape
    codes = np.asarray(codes)
    if codes.dtype != np.uint8 or codes.ndim != 4 or codes.shape[1:] != (height, width, channels):
        raise BuildError(
            f"frames are {codes.dtype} {codes.shape}, the accelerator takes uint8 (N, {height}, {width}, {channels})"
        )
    simulator = simulator or build_simulator(design)
    frames, pixels = len(codes), height * width
    layout = design.layout
    words = layout.mask_words if mask_mode else layout.logit_words
    pace = source_cycles_per_frame / pixels if source_cycles_per_frame else 0.0
    quiet = 2 * max(design.expected_cycles_per_frame, int(source_cycles_per_frame or 0)) + 100_000
    try:
        result = simulator.run(
            [codes.reshape(frames * pixels, channels)], [frames * words], idle=idle, stall=stall, seed=seed,
            max_idle_cycles=int(quiet / (1 - max(idle, stall))), cycles_per_beat=[pace],
            pins={"mask_mode": MASK if mask_mode else LOGITS}, probe_count=GAUGE_WORDS * len(design.streams),
            inner_beats=[GAUGE_WORDS * i + BEATS for i in range(len(design.streams))], progress=progress,
        )  # fmt: skip
    except DeadlockError as error:
        raise DeadlockError(f"{error}; {_deadlock(design, error.probes)}", error.probes) from None
    _check_last(result.output_lasts[0], words)
    values = result.outputs[0].view("<u4").reshape(-1)
    logits = None if mask_mode else layout.logits(values)
    masks = layout.masks(values) if mask_mode else decide(logits)
    if not np.array_equal(layout.pack(masks if logits is None else logits), values):
        raise SimulationError("words of a frame are padded with something other than zeros: this is a defect")
    last_out = [int(c) for c in result.output_cycles[0][words - 1 :: words]]
    return AcceleratorRun(
        logits=logits,
        masks=masks,
        first_in=[int(c) for c in result.input_cycles[0][::pixels]],
        last_in=[int(c) for c in result.input_cycles[0][pixels - 1 :: pixels]],
        last_out=last_out,
        cycles_per_frame=last_out[-1] - last_out[-2] if frames > 1 else None,
        streams=[_use(stream, result.probes, i) for i, stream in enumerate(design.streams)],
        cycles=result.cycles,
        seconds=result.seconds,
    )


def measure_nodes(
    design: Design,
    *,
    progress: Callable[[Progress], None] | None = None,
    simulator: Simulator | None = None,
) -> dict[str, int | None]:
    """Measured cycles per frame of every node on its own: all streams cut, every input offered, every output taken.

    The interval between the first output beats of two consecutive frames; None where a node has not begun its second
    frame in 2.6 times the slowest node's expected cycles, which means that it is slower than its cost model says.
    """
    simulator = simulator or build_simulator(design)
    intervals: dict[str, int | None] = {}
    for rounds in MEASURE_ROUNDS:
        cycles = int(rounds * design.expected_cycles_per_frame) + 10_000
        result = simulator.run(
            [np.zeros((0, design.image_shape[2]), np.uint8)], [0], pins={"isolate": 1}, allow_more=True,
            settle_cycles=cycles, max_idle_cycles=2 * cycles, probe_count=GAUGE_WORDS * len(design.streams),
            progress=progress,
        )  # fmt: skip
        for i, stream in enumerate(design.streams):
            words = result.probes[GAUGE_WORDS * i : GAUGE_WORDS * (i + 1)]
            intervals[stream.tensor] = words[BEGUN] - words[BEGUN_BEFORE] if words[FRAMES_BEGUN] >= 2 else None
        if all(intervals[tensor] is not None for node in design.nodes for tensor in node.outputs):
            break
    measured = {}
    for node in design.nodes:
        of_node = [intervals[tensor] for tensor in node.outputs]
        known = [interval for interval in of_node if interval is not None]
        measured[node.name] = max(known) if len(known) == len(of_node) else None
    return measured


def deadlock_text(streams: list[tuple[Stream, int]]) -> str:
    """The FIFOs that close a deadlock, from the level of each: full ones, and empty ones whose reader waits."""
    full = [(s, level) for s, level in streams if level >= s.depth]
    waiting = {s.consumer for s, _ in full}
    empty = [s for s, level in streams if level == 0 and s.consumer in waiting]
    text = "full FIFOs: " + (", ".join(f"{s.label} ({level} of {s.depth})" for s, level in full) or "none")
    return text + "; empty FIFOs before the same nodes: " + (", ".join(s.label for s in empty) or "none")


def _deadlock(design: Design, probes: list[int]) -> str:
    return deadlock_text([(s, probes[GAUGE_WORDS * i + LEVEL]) for i, s in enumerate(design.streams)])


def _use(stream: Stream, probes: list[int], index: int) -> StreamUse:
    words = probes[GAUGE_WORDS * index : GAUGE_WORDS * (index + 1)]
    return StreamUse(
        label=stream.label, tensor=stream.tensor, depth=stream.depth, peak=words[PEAK], beats=words[BEATS],
        waited=words[WAITED],
    )  # fmt: skip


def _check_last(lasts: np.ndarray, words: int) -> None:
    positions = np.flatnonzero(lasts)
    expected = np.arange(words - 1, len(lasts), words)
    if not np.array_equal(positions, expected):
        raise SimulationError(
            f"TLAST is at words {positions[:4].tolist()}..., must be at the end of each frame of {words} words"
        )
