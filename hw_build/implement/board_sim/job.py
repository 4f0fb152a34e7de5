"""Whole jobs on a simulated board, as the driver runs them: frames into memory, registers, interrupt, results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from board import registers as reg
from hw_build.base.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable

    from board.io_spec import FrameLayout
    from hw_build.implement.board_sim.library import SimulatedBoard

GUARD_BYTES, GUARD = 4096, 0xC3  # around the results: nothing else may be written
_CHUNK_CYCLES = 20_000


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
    """The bytes that the accelerator leaves in memory for frames ``codes`` (N, H, W, C) uint8.

    Of masks or of logits, one frame after another. The end of the job is its interrupt.

    Raises:
        BuildError: the job has not ended after ``max_cycles``, or with an error, or wrote outside the place of its
            results.
    """
    memory = np.frombuffer(board.memory, np.uint8)
    begin, loaded = _place_of_results(layout, len(codes)), len(codes) * layout.input_bytes
    end = begin + 4 * len(codes) * (layout.mask_words if mask else layout.logit_words)
    memory[loaded:] = GUARD
    for frame, image in zip(memory[:loaded].reshape(len(codes), -1), codes, strict=True):
        layout.place(image, frame)
    registers = {
        reg.SOURCE_LO: board.memory_base & 0xFFFF_FFFF,
        reg.SOURCE_HI: board.memory_base >> 32,
        reg.DESTINATION_LO: (board.memory_base + begin) & 0xFFFF_FFFF,
        reg.DESTINATION_HI: (board.memory_base + begin) >> 32,
        reg.FRAMES: len(codes),
        reg.OUTPUT_MODE: reg.OUTPUT_MODE_MASK if mask else 0,
        reg.GIE: reg.GIE_ENABLE,
        reg.IER: reg.IER_DONE,
        reg.CTRL: reg.CTRL_START,
    }
    for offset, value in registers.items():
        board.write(control_base + offset, value)
    started = board.cycles
    while not board.run(_CHUNK_CYCLES, until_interrupt=True):
        progress(board.cycles - started)
        if board.cycles - started > max_cycles:
            done = board.read(control_base + reg.FRAMES_DONE)
            raise BuildError(f"the simulated device is stuck: {done} of {len(codes)} frames in {max_cycles:,} cycles")
    board.write(control_base + reg.ISR, reg.ISR_DONE)
    if status := board.read(control_base + reg.STATUS) & 0xFFFF:
        raise BuildError(f"the simulated accelerator reports errors: STATUS 0x{status:04X}")
    if (memory[loaded:begin] != GUARD).any() or (memory[end:] != GUARD).any():
        raise BuildError("the simulated accelerator wrote outside the place of its results")
    return memory[begin:end].copy()


def _place_of_results(layout: FrameLayout, frames: int) -> int:
    return frames * layout.input_bytes + GUARD_BYTES
