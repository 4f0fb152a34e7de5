"""Whole jobs on a simulated board, as the driver runs them: frames into memory, registers, interrupt, results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from board import registers as reg
from hw_build.base.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from board.io_spec import FrameLayout
    from hw_build.implement.board_sim.library import SimulatedBoard

GUARD_BYTES, GUARD = 4096, 0xC3  # around the results: nothing else may be written
_CHUNK_CYCLES = 20_000


@dataclass(frozen=True)
class Work:
    """What one accelerator, with its registers at ``control_base``, is given: frames ``codes`` (N, H, W, C) uint8."""

    control_base: int
    layout: FrameLayout
    codes: np.ndarray

    @property
    def memory_bytes(self) -> int:
        """What it needs of the memory."""
        return memory_bytes(self.layout, len(self.codes))


def memory_bytes(layout: FrameLayout, frames: int) -> int:
    """What a board needs to run a job of so many frames."""
    return _place_of_results(layout, frames) + 4 * frames * layout.logit_words + GUARD_BYTES


def run_job(
    board: SimulatedBoard,
    control_base: int,
    layout: FrameLayout,
    codes: np.ndarray,
    *,
    mask: bool,
    max_cycles: int,
    progress: Callable[[int], None] = lambda cycles: None,
) -> np.ndarray:
    """`run_jobs` of one accelerator."""
    (found,) = run_jobs(board, [Work(control_base, layout, codes)], mask=mask, max_cycles=max_cycles, progress=progress)
    return found


def run_jobs(
    board: SimulatedBoard,
    works: Sequence[Work],
    *,
    mask: bool,
    max_cycles: int,
    progress: Callable[[int], None] = lambda cycles: None,
) -> list[np.ndarray]:
    """The bytes that each accelerator leaves in memory for its work; all run at once.

    Of masks or of logits, one frame after another. The end of a job is its interrupt, on the line of its number.

    Raises:
        BuildError: the jobs have not ended after ``max_cycles``, or one with an error, or wrote outside the place of
            its results.
    """
    memory = np.frombuffer(board.memory, np.uint8)
    memory[:] = GUARD
    places = []
    first = 0
    for work in works:
        frames, loaded = len(work.codes), len(work.codes) * work.layout.input_bytes
        begin = first + _place_of_results(work.layout, frames)
        end = begin + 4 * frames * (work.layout.mask_words if mask else work.layout.logit_words)
        for frame, image in zip(memory[first : first + loaded].reshape(frames, -1), work.codes, strict=True):
            work.layout.place(image, frame)
        places.append((first, loaded, begin, end))
        first += work.memory_bytes
    for work, (source, _, begin, _) in zip(works, places, strict=True):
        _start(board, work, board.memory_base + source, board.memory_base + begin, mask)
    started = board.cycles
    waiting = set(range(len(works)))
    while waiting:
        board.run(_CHUNK_CYCLES, until_interrupt=True)
        progress(board.cycles - started)
        if board.cycles - started > max_cycles:
            number = min(waiting)
            done = board.read(works[number].control_base + reg.FRAMES_DONE)
            frames = len(works[number].codes)
            raise BuildError(f"the simulated device is stuck: {done} of {frames} frames in {max_cycles:,} cycles")
        for number in [number for number in waiting if board.interrupts(number)]:
            waiting.remove(number)
            _finish(board, works[number])
    guarded = np.ones(first, bool)
    for source, loaded, begin, end in places:
        guarded[source : source + loaded] = guarded[begin:end] = False
    if (memory[:first][guarded] != GUARD).any() or (memory[first:] != GUARD).any():
        raise BuildError("the simulated accelerator wrote outside the place of its results")
    return [memory[begin:end].copy() for _, _, begin, end in places]


def _start(board: SimulatedBoard, work: Work, source: int, destination: int, mask: bool) -> None:
    registers = {
        reg.SOURCE_LO: source & 0xFFFF_FFFF,
        reg.SOURCE_HI: source >> 32,
        reg.DESTINATION_LO: destination & 0xFFFF_FFFF,
        reg.DESTINATION_HI: destination >> 32,
        reg.FRAMES: len(work.codes),
        reg.OUTPUT_MODE: reg.OUTPUT_MODE_MASK if mask else 0,
        reg.GIE: reg.GIE_ENABLE,
        reg.IER: reg.IER_DONE,
        reg.CTRL: reg.CTRL_START,
    }
    for offset, value in registers.items():
        board.write(work.control_base + offset, value)


def _finish(board: SimulatedBoard, work: Work) -> None:
    board.write(work.control_base + reg.ISR, reg.ISR_DONE)
    if status := board.read(work.control_base + reg.STATUS) & 0xFFFF:
        raise BuildError(f"the simulated accelerator reports errors: STATUS 0x{status:04X}")


def _place_of_results(layout: FrameLayout, frames: int) -> int:
    return frames * layout.input_bytes + GUARD_BYTES
