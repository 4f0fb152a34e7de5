"""The shell around a stand-in accelerator on a simulated board, and what its frames must become."""

import os
from pathlib import Path

import numpy as np

from board import registers as reg
from board.io_spec import decide
from hw_build.implement.board_sim.build import build_system
from hw_build.implement.board_sim.library import AXI3, AXI4, SimulatedBoard
from hw_build.implement.shell.system import System
from hw_build.simulate.lint import RTL_DIR

BUILD_DIR = Path(__file__).resolve().parents[3] / "build" / "tests" / "rtl"
OUTPUT_STAGE = [RTL_DIR / "stream" / name for name in ("argmax.sv", "logit_output.sv")]
CORE = [*OUTPUT_STAGE, Path(__file__).with_name("standin_core.sv")]
MEMORY = 0x1000_0000
MEMORY_BYTES = 1 << 18
GUARD = 0xC3
TLAST_ALWAYS, TLAST_NEVER, SILENT, STUCK, EAGER = 0xF1, 0xF2, 0xF3, 0xF4, 0xF5  # orders to the stand-in
FRAME_LIMIT = 40_000  # cycles in which any frame here ends, however the bus stalls


def system(**changes) -> System:
    """The Zynq-7000's system of 16 x 16 pixels, with ``changes``."""
    values = {
        "height": 16,
        "width": 16,
        "channels": 3,
        "network_hash": 0x0123_4567_89AB_CDEF,
        "control_base": 0x43C0_0000,
    }
    values |= {"core": "standin_core", "classes": 1, "address_bits": 32, "max_burst": 16} | changes
    sizes = {"out_height": values["height"], "out_width": values["width"]}
    return System(**(sizes | values))


ZYNQ_7000 = system()
ULTRASCALE = system(control_base=0xA000_0000, address_bits=49, max_burst=64)
BOARDS = {"zynq-7000": (ZYNQ_7000, AXI3), "zynq-ultrascale": (ULTRASCALE, AXI4)}


def step_of(made: System) -> int:
    """Pixels of the image for one of the result, as the stand-in has them."""
    return made.height * made.width // made.layout.out_pixels


def results_of(made: System, frames: np.ndarray) -> np.ndarray:
    """What the stand-in makes of codes (N, H, W, C): (N, H', W', classes)."""
    kept = frames.reshape(len(frames), -1, made.channels)[:, :: step_of(made)]
    return logits_of(kept.reshape(len(frames), *made.layout.out_size, made.channels), made.classes)


def logits_of(frames: np.ndarray, classes: int) -> np.ndarray:
    """Logits (N, H, W, classes) of pixels (N, H, W, C)."""
    if classes > 1:
        rise = np.arange(classes)
        return (frames[..., :1] >> np.minimum(rise, 8)).astype(np.int32) - rise
    factors = np.array([1, 2, -2], np.int32)[: frames.shape[3]]
    return (frames[..., :3].astype(np.int32) @ factors)[..., None]


class ShellBench:
    """One simulated board, and the driver's steps on it."""

    def __init__(self, made: System, library: Path, memory_base: int = MEMORY, **options) -> None:
        self.system, self.memory_base = made, memory_base
        self.board = SimulatedBoard(library, memory_base=memory_base, memory_bytes=MEMORY_BYTES, **options)
        self.memory = np.frombuffer(self.board.memory, np.uint8)

    def read(self, offset: int) -> int:
        return self.board.read(self.system.control_base + offset)

    def write(self, offset: int, value: int) -> None:
        self.board.write(self.system.control_base + offset, value)

    def frames(self, count: int, seed: int = 0) -> np.ndarray:
        shape = (count, self.system.height, self.system.width, self.system.channels)
        return np.random.default_rng(seed).integers(0, 0xF0, shape, dtype=np.uint8)

    def load(self, frames: np.ndarray, *, mask: bool, source: int = 0, destination: int = 0x20000) -> None:
        """Frames into memory, guard bytes all around the place of the results, registers set, not started."""
        self.memory[0x20000:] = GUARD
        for frame, image in enumerate(frames):
            begin = source + frame * self.system.layout.input_bytes
            self.system.layout.place(image, self.memory[begin : begin + self.system.layout.input_bytes])
        for name, address in (("SOURCE", self.memory_base + source), ("DESTINATION", self.memory_base + destination)):
            self.write(getattr(reg, f"{name}_LO"), address & 0xFFFF_FFFF)
            self.write(getattr(reg, f"{name}_HI"), address >> 32)
        self.write(reg.FRAMES, len(frames))
        self.write(reg.OUTPUT_MODE, reg.OUTPUT_MODE_MASK if mask else 0)

    def start(self) -> None:
        self.write(reg.CTRL, reg.CTRL_START)

    def finish(self, frames: int = 1) -> None:
        """Runs until the job is done, which must happen."""
        assert self.board.run(FRAME_LIMIT * max(frames, 1), until_idle=True), "the job does not end"
        control = self.read(reg.CTRL)
        assert control == reg.CTRL_DONE | reg.CTRL_READY | reg.CTRL_IDLE

    def soft_reset(self) -> None:
        self.write(reg.SOFT_RESET, reg.SOFT_RESET_RESET)
        for _ in range(FRAME_LIMIT):
            if not self.read(reg.SOFT_RESET):
                return
        raise AssertionError("the reset does not end")

    def check(self, frames: np.ndarray, *, mask: bool, destination: int = 0x20000) -> None:
        """The results stand where they should, and the bytes before and after them are untouched."""
        logits = results_of(self.system, frames)
        expected = self.system.layout.pack(decide(logits) if mask else logits).view(np.uint8)
        end = destination + expected.size
        np.testing.assert_array_equal(self.memory[destination:end], expected)
        assert (self.memory[0x20000:destination] == GUARD).all() and (self.memory[end:] == GUARD).all()

    def run(self, frames: np.ndarray, *, mask: bool, **places: int) -> None:
        """One whole job, exact and without an error."""
        self.load(frames, mask=mask, **places)
        self.start()
        self.finish(len(frames))
        assert self.read(reg.STATUS) == 0
        assert self.read(reg.FRAMES_DONE) == len(frames)
        places.pop("source", None)
        self.check(frames, mask=mask, **places)


def core_sources(made: System) -> list[Path]:
    """The stand-in for frames of ``made``: a copy with other defaults where they are not 16 x 16 x 3."""
    *output_stage, standin = CORE
    text = standin.read_text()
    sized = text.replace("PIXELS = 256", f"PIXELS = {made.height * made.width}")
    sized = sized.replace("CHANNELS = 3", f"CHANNELS = {made.channels}")
    sized = sized.replace("CLASSES = 1", f"CLASSES = {made.classes}").replace("STEP = 1", f"STEP = {step_of(made)}")
    if sized == text:
        return CORE
    folder = f"standin-{made.height}x{made.width}x{made.channels}-{made.classes}-{step_of(made)}"
    path = BUILD_DIR / folder / standin.name
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_text(sized)
    partial.replace(path)
    return [*output_stage, path]


def bench(made: System, **options) -> ShellBench:
    """Built (or found built) and out of reset."""
    return ShellBench(made, build_system(made, core_sources(made), BUILD_DIR, fast=False), **options)
