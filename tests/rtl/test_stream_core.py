"""The stream core around a stand-in accelerator: frames, registers, output mode and resets, over AXI4-Lite alone."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from stream_core import build_core, logit_words, mask_words, run

from board import registers as reg
from board.io_spec import FrameLayout
from hw_build.implement.ip.core import core_text
from hw_build.implement.ip.package import CONTROL_SOURCES
from hw_build.simulate.lint import RTL_DIR

HERE = Path(__file__).parent
HEIGHT = WIDTH = 16
HASH = 0x0123_4567_89AB_CDEF
OKAY, SLVERR = 0, 2
CONSTANTS = {
    reg.NETWORK_HASH_LO: HASH & 0xFFFF_FFFF, reg.NETWORK_HASH_HI: HASH >> 32, reg.HEIGHT: HEIGHT, reg.WIDTH: WIDTH,
    reg.CHANNELS: 3, reg.CLASSES: 1, reg.OUT_HEIGHT: HEIGHT, reg.OUT_WIDTH: WIDTH,
}  # fmt: skip


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    top = tmp_path_factory.mktemp("core") / "edgeseg_stream.v"
    top.write_text(core_text("standin_core", FrameLayout(HEIGHT, WIDTH, 3), HASH))
    output_stage = [RTL_DIR / "stream" / "argmax.sv", RTL_DIR / "stream" / "logit_output.sv"]
    return build_core([*CONTROL_SOURCES, *output_stage, HERE / "shell" / "standin_core.sv", top])


def random_frames(count, seed=3):
    return np.random.default_rng(seed).integers(0, 0xF0, (count, HEIGHT * WIDTH, 3), dtype=np.uint8)


def logits(pixels):
    """Of the stand-in: (.., 3) -> (..,)."""
    codes = pixels.astype(np.int32)
    return codes[..., 0] + 2 * codes[..., 1] - 2 * codes[..., 2]


@pytest.mark.parametrize(("idle", "stall"), [(0.0, 0.0), (0.5, 0.5)])
def test_logits_leave_frame_by_frame_and_every_register_answers(core, idle, stall):
    frames, window = random_frames(2), list(range(0, 4096, 4))
    pins = {"reads_after": frames.shape[0] * frames.shape[1]}
    _, read, words, lasts = run(
        core, frames.reshape(-1, 3), 512, reads=window, pins=pins, idle=idle, stall=stall, seed=5
    )
    assert words == logit_words(logits(frames))
    assert np.flatnonzero(lasts).tolist() == [255, 511]
    expected = CONSTANTS | {reg.OUTPUT_MODE: 0, reg.FRAMES_DONE: 2, reg.SOFT_RESET: 0}
    assert read == [(OKAY, expected[at]) if at in expected else (SLVERR, 0) for at in window]


@pytest.mark.parametrize(("idle", "stall"), [(0.0, 0.0), (0.3, 0.6)])
def test_masks_once_the_mode_is_written(core, idle, stall):
    frames = random_frames(2)
    answers, read, words, lasts = run(
        core, frames.reshape(-1, 3), 16, writes=[(reg.OUTPUT_MODE, reg.OUTPUT_MODE_MASK)],
        reads=[reg.OUTPUT_MODE, reg.FRAMES_DONE], pins={"pixels_after": 1, "reads_after": 16}, idle=idle, stall=stall,
    )  # fmt: skip
    assert (answers, read) == ([OKAY], [(OKAY, 1), (OKAY, 2)])
    assert words == mask_words(logits(frames))
    assert np.flatnonzero(lasts).tolist() == [7, 15]


@pytest.mark.parametrize(
    ("write", "words_of"),
    [((reg.SOFT_RESET, reg.SOFT_RESET_RESET), logit_words), ((reg.OUTPUT_MODE, reg.OUTPUT_MODE_MASK), mask_words)],
)
def test_frame_cut_short_by_a_reset_leaves_nothing_behind(core, write, words_of):
    part, (frame,) = random_frames(1, seed=8)[0, :100], random_frames(1)
    expected = logit_words(logits(part)) + words_of(logits(frame))
    answers, read, words, lasts = run(
        core, np.concatenate([part, frame]), len(expected), writes=[write], reads=[reg.FRAMES_DONE],
        pins={"first_pixels": 100, "writes_after": 100, "pixels_after": 1, "reads_after": len(expected)},
    )  # fmt: skip
    assert (answers, read, words) == ([OKAY], [(OKAY, 1)], expected)
    assert np.flatnonzero(lasts).tolist() == [len(expected) - 1]


def test_reset_reads_one_until_it_has_ended(core):
    (frame,) = random_frames(1)
    writes, reads = [(reg.SOFT_RESET, reg.SOFT_RESET_RESET)], [reg.SOFT_RESET] * 40
    pins = {"first_pixels": 256, "writes_after": 256, "reads_after": 256}
    _, read, _, _ = run(core, frame, 256, writes=writes, reads=reads, pins=pins)
    busy = "".join(str(value) for _, value in read)
    assert re.fullmatch("0?1+0+", busy), busy  # a first look may come before the write


def test_writes_that_change_nothing(core):
    (frame,) = random_frames(1)
    refused = [(at, 1) for at in (*CONSTANTS, reg.FRAMES_DONE, reg.CTRL, reg.IDENTITY, 0xFFC)]
    harmless = [(reg.OUTPUT_MODE, 1, 0b1110), (reg.SOFT_RESET, 1, 0b1110), (reg.SOFT_RESET, 0)]
    answers, read, words, _ = run(
        core, frame, 256, writes=[*refused, *harmless], reads=[*CONSTANTS, reg.OUTPUT_MODE],
        pins={"first_pixels": 100, "writes_after": 100, "pixels_after": len(refused) + 3, "reads_after": 256},
    )  # fmt: skip
    assert answers == [SLVERR] * len(refused) + [OKAY] * 3
    assert read == [(OKAY, value) for value in (*CONSTANTS.values(), 0)]
    assert words == logit_words(logits(frame))  # mid-frame writes have not reset it
