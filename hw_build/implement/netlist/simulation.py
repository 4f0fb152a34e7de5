"""The device netlist, simulated whole: jobs through the pins of its processing system, every byte against the golden.

What is simulated is the file that place and route would get, written as Verilog by Yosys, with models of its cells.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from board.io_spec import FrameLayout, decide
from hw_build.base.arrays import write_arrays
from hw_build.base.board_config import Family
from hw_build.base.errors import BuildError, MismatchError
from hw_build.implement.board_sim.device import NEVER_IDLE, PROCESSORS, build_device
from hw_build.implement.board_sim.job import Work, run_jobs
from hw_build.implement.board_sim.library import ProtocolError, SimulatedBoard
from hw_build.implement.netlist.cell_models import cell_models
from hw_build.implement.synth.yosys import run_passes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hw_build.implement.shell.around import Around

FOLDER = "netlist_sim"
_PROCESSOR_CELL = "\\ps.ps "  # in the flat netlist, as Verilog writes such a name
_SLOWEST = 6  # frame intervals in which any frame is out, without stalls; a lone frame takes up to 2.2


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job of a check: how many frames, which results, and how the memory behaves (`SimulatedBoard`)."""

    frames: int
    mask: bool
    stall: float = 0.0
    latency: int = 20
    seed: int = 1

    def __str__(self) -> str:
        what = "packed masks" if self.mask else "logits"
        frames = "1 frame" if self.frames == 1 else f"{self.frames} frames"
        return f"{what} of {frames}" + (f", memory stalled in {self.stall:.0%}" if self.stall else "")


def build_netlist(netlist: Path, around: Around, build_dir: Path, *, fast: bool = False) -> Path:
    """Compile the simulation of ``netlist`` (Yosys' JSON) below ``build_dir``, or find it; the library's path.

    ``fast`` compiles longer, for whole large frames.

    Raises:
        BuildError: Yosys, Verilator or g++ fails.
    """
    with tempfile.TemporaryDirectory(prefix="edgeseg-netlist-") as folder:
        verilog = Path(folder, "netlist.v")
        write_verilog(netlist, around.top, verilog)
        return build_device(
            Family(around.family), [verilog, *cell_models(Path(folder))], build_dir / FOLDER, instance=_PROCESSOR_CELL,
            busy=NEVER_IDLE, accelerators=len(around.systems), fast=fast, name="netlist",
        )  # fmt: skip


def write_verilog(netlist: Path, top: str, verilog: Path) -> None:
    """The module ``top`` of ``netlist`` (Yosys' JSON) as Verilog, every wire of its own.

    Raises:
        SynthesisError: Yosys refuses it.
    """
    with tempfile.TemporaryDirectory(prefix="edgeseg-netlist-") as folder:
        alone = Path(folder, "netlist.json")
        alone.write_text(json.dumps({"modules": {top: json.loads(netlist.read_text())["modules"][top]}}))
        passes = [["read_json", str(alone)], ["splitnets"], ["write_verilog", "-noattr", str(verilog.resolve())]]
        asyncio.run(run_passes(top, passes, Path(folder)))


def simulate_netlist(
    library: Path, around: Around, codes: Sequence[np.ndarray], job: Job, *, frame_cycles: int,
    progress: Callable[[int], None] = lambda cycles: None,
) -> list[np.ndarray]:  # fmt: skip
    """What ``job`` of ``codes``, (N, H, W, C) uint8 for each accelerator, leaves in memory, as bytes of each; all run
    at once, on a fresh board.

    ``frame_cycles`` is the steady interval of frames (the longest), from which the longest time of a job follows.

    Raises:
        BuildError: the job does not end, ends with an error, or breaks a rule of AXI.
    """
    works = [
        Work(system.control_base, system.layout, frames) for system, frames in zip(around.systems, codes, strict=True)
    ]
    with SimulatedBoard(
        library, memory_bytes=sum(work.memory_bytes for work in works), stall=job.stall, latency=job.latency,
        seed=job.seed, protocol=PROCESSORS[Family(around.family)].protocol,
    ) as board:  # fmt: skip
        limit = 20_000 + int((max(map(len, codes)) + _SLOWEST) * frame_cycles / (1 - job.stall) ** 2)
        try:
            return run_jobs(board, works, mask=job.mask, max_cycles=limit, progress=progress)
        except ProtocolError as error:
            raise BuildError(f"the simulated device breaks a rule of AXI ({job}): {error}") from None


def compare_bytes(
    found: np.ndarray, logits: np.ndarray, names: Sequence[str], job: Job, step: str, mismatch_dir: Path
) -> None:
    """Compare ``found`` (bytes in memory) with golden ``logits`` (N, H, W, classes) int32.

    Raises:
        MismatchError: a byte differs; names the first pixel, both are saved below ``mismatch_dir``.
    """
    _, height, width, classes = logits.shape
    layout = FrameLayout(height, width, 1, classes)
    words, expected = found.view("<u4"), decide(logits) if job.mask else logits
    if np.array_equal(words, layout.pack(expected)):
        return
    got = layout.masks(words) if job.mask else layout.logits(words)
    path = mismatch_dir / f"mismatch_{step}.npz"
    write_arrays(path, found=got, expected=expected)
    differing = np.argwhere(got != expected)
    if not len(differing):
        raise MismatchError(f"step {step}: what fills up the results is not zero ({job}); both are in {path}")
    frame, row, column = (int(index) for index in differing[0][:3])
    first = tuple(differing[0])
    raise MismatchError(
        f"step {step}: {len(differing)} of {got.size} values differ ({job}), first of image {names[frame]} at "
        f"{(row, column)}: {int(got[first])} instead of {int(expected[first])}; both are in {path}"
    )
