"""One module through Yosys: SystemVerilog sources -> the cells it becomes, of xc7 or xcup, and on demand their netlist.

What comes out is Yosys' mapping before placement: no packing of two LUTs into one, no retiming, no routing.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import shutil
import signal
import sys
import tempfile
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.base.board_config import Family
from hw_build.base.errors import BuildError, shorten
from hw_build.base.step_engine import hash_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

READ_OPTIONS = (
    "--allow-use-before-declare",  # FINN's RTL
    "--ignore-assertions",
    "--keep-hierarchy",  # flattened later, but for what asks to be mapped apart
    *("--max-constexpr-steps", "100000000"),  # tables are computed from packed parameters
    *("--unroll-limit", "1000000"),
)
_SYNTHESIS = ("-flatten", "-noiopad", "-noclkbuf")


class Cells(StrEnum):
    """The cells that modules are mapped to: those of 7-series, or those of UltraScale+."""

    XC7 = "xc7"
    XCUP = "xcup"


_OF_CELLS = {Cells.XC7: (), Cells.XCUP: ("-uram",)}  # memories that ask for UltraRAM get it
CELLS_OF_FAMILY = {Family.ZYNQ_7000: Cells.XC7, Family.ZYNQ_ULTRASCALE: Cells.XCUP}
# Eight flip-flops of a slice share enable and reset. An enable or reset of fewer than these moves into the logic before
# the flip-flop, where it mostly finds room in a LUT: else each takes a slice of its own, and a placer finds none left.
_FEWEST_FLIP_FLOPS = 4
# modules that ask to be mapped apart (lib/rom.sv) join the others when all is mapped
JOIN = (("setattr", "-mod", "-unset", "keep_hierarchy"), ("flatten",))
PASSES = Path(__file__).with_name("passes.py")
RTLIL_SUFFIX = ".il"
# hierarchy's way with a port that is not as wide as its module's: to cut the wires, or to leave some undriven
_RESIZED = re.compile(r"Resizing cell port \S+\.(\w+ from \d+ bits to \d+) bits.*")
# what Yosys' own maps of UltraScale+ cells leave to it: of UltraRAM's nine enables, parity interleaved with data leaves
# one unused; of block RAM the bits beyond the deepest memory, the widest word and its enables, which carry nothing
_OF_MAPS = re.compile(
    r"BWE_[AB] from 8 bits to 9|ADDR(ARD|BWR)ADDR from 16 bits to 1[45]|(DINADIN|DOUT[AB]DOUT) from 64 bits to (16|32)"
    r"|(DINPADINP|DOUTP[AB]DOUTP) from 8 bits to [24]|WEA from 4 bits to 2"
)


def mapping(top: str, cells: Cells = Cells.XC7) -> list[list[str]]:
    """The passes that map module ``top`` to ``cells``, flattened but for what asks to be mapped apart."""
    fewest = str(_FEWEST_FLIP_FLOPS)
    synthesis = ("synth_xilinx", "-family", cells, *_OF_CELLS[cells], *_SYNTHESIS)
    return [
        [*synthesis, "-top", top, "-run", "begin:map_ffs"],
        [
            "dfflegalize",
            "-cell",
            "$_DFFE_?P?P_",
            "01",
            "-cell",
            "$_SDFFE_?P?P_",
            "01",
            "-cell",
            "$_DLATCH_?P?_",
            "01",
            "-mince",
            fewest,
            "-minsrst",
            fewest,
        ],
        [*synthesis, "-top", top, "-run", "map_ffs:"],
    ]


class SynthesisError(BuildError):
    """Yosys refused a module: names the module and gives Yosys' sentence."""


class SynthesisEndedError(SynthesisError):
    """Somebody ended Yosys, or want of memory or processor time did: that says nothing of the module elsewhere."""


def yosys_version() -> str:
    """Text that changes whenever Yosys or what is run and checked here does."""
    return json.dumps([version("pyosys"), hash_file(Path(__file__)), hash_file(PASSES)])


def synthesise(
    top: str,
    files: Sequence[Path],
    parameters: Mapping[str, str] | None = None,
    *,
    netlist: Path | None = None,
    cells: Cells = Cells.XC7,
) -> dict[str, int]:
    """How many of ``cells`` of each type module ``top`` becomes.

    ``files`` are read in the given order, packages first. ``parameters`` map names to SystemVerilog literals as text.
    ``netlist`` receives the mapped design: as Verilog, to be simulated with Yosys' models of the cells, or, where its
    name ends in .il, as Yosys' own RTLIL, a module of the file's name.

    Raises:
        SynthesisError: Yosys refuses it.
    """
    return asyncio.run(synthesise_beside_others(top, files, parameters, netlist=netlist, cells=cells))


async def synthesise_beside_others(
    top: str,
    files: Sequence[Path],
    parameters: Mapping[str, str] | None = None,
    *,
    netlist: Path | None = None,
    limit_seconds: float | None = None,
    cells: Cells = Cells.XC7,
) -> dict[str, int]:
    """`synthesise` as a coroutine, so that several processes run at once; Yosys is stopped when it is cancelled.

    Raises:
        SynthesisError: Yosys refuses it, or is not done after ``limit_seconds`` of processor time.
    """
    sources = [str(Path(file).resolve()) for file in files]
    overrides = [part for name, value in (parameters or {}).items() for part in ("-G", f"{name}={value}")]
    with tempfile.TemporaryDirectory(prefix="edgeseg-synth-") as folder:
        statistics, mapped = Path(folder, "stat.json"), Path(folder, "netlist.v")
        passes = [
            ["read_slang", *READ_OPTIONS, "--top", top, *overrides, *sources],
            *mapping(top, cells),
            *map(list, JOIN),
            ["tee", "-q", "-o", str(statistics), "stat", "-json"],
        ]
        if netlist is not None and netlist.suffix == RTLIL_SUFFIX:
            passes += [["rename", "-top", netlist.stem], ["select", netlist.stem]]
            passes += [["write_rtlil", "-selected", str(mapped)]]
        elif netlist is not None:
            passes.append(["write_verilog", "-noattr", str(mapped)])
        await run_passes(top, passes, Path(folder), limit_seconds)
        counts = json.loads(statistics.read_text())["modules"]
        if netlist is not None:
            shutil.move(mapped, netlist)
    return cells_of(top, counts)


def cells_of(top: str, modules: Mapping[str, dict]) -> dict[str, int]:
    """Cells by type of the module ``top`` in the statistics of Yosys."""
    (found,) = [each for name, each in modules.items() if name.lstrip("\\").partition("$")[0] == top]
    return {cell.lstrip("\\"): count for cell, count in found["num_cells_by_type"].items() if cell != "$scopeinfo"}


async def run_passes(top: str, passes: list[list[str]], work_dir: Path, limit_seconds: float | None = None) -> None:
    """Run ``passes`` (argument lists) on one design, a process of its own in ``work_dir``; ``top`` names it in errors.

    Raises:
        SynthesisError: a pass fails or resizes a port of an instance.
        SynthesisEndedError: a signal ended the process, or it is not done after ``limit_seconds`` of processor time.
    """
    pipe = asyncio.subprocess.PIPE
    limit = [] if limit_seconds is None else [str(math.ceil(limit_seconds))]
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(PASSES), *limit, cwd=work_dir, stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        out, err = await child.communicate(json.dumps(passes).encode())
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    status = await child.wait()
    log = (err + out).decode(errors="replace")
    if status == -signal.SIGXCPU or f"failed: return code {128 + signal.SIGXCPU}" in log:  # the latter of ABC
        raise SynthesisEndedError(f"{top}: Yosys is not done after {limit[0]} s of processor time")
    if status < 0:
        raise SynthesisEndedError(f"{top}: signal {-status} ended Yosys, perhaps for lack of memory; run it again")
    if status:
        lines = [line for line in log.splitlines() if line.strip()]
        first = next((line for line in lines if re.search(r"\b(ERROR|error):", line)), None)
        detail = first or (lines[-1] if lines else f"exit status {status}")
        raise SynthesisError(f"{top}: Yosys refuses it: {shorten(detail.strip())}")
    resized = next((found for found in _RESIZED.finditer(log) if not _OF_MAPS.fullmatch(found[1])), None)
    if resized:
        raise SynthesisError(f"{top}: an instance does not fit its module: {resized[0].strip()}")
