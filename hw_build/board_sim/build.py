"""A system and its sources -> the shared library of its simulated board (``library.SimulatedBoard`` drives it)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hw_build.rtl_lint import RTL_DIR
from hw_build.shell.system import SYSTEM_MODULE, System
from hw_build.sim.build import build_library

BOARD = Path(__file__).with_name("board.cpp")
SIM_TOP = Path(__file__).with_name("sim_top.sv")
SHELL_RTL = RTL_DIR / "shell"
STREAM_RTL = RTL_DIR / "stream"
PROCESSORS = "_ps.sv"  # ending of the files that hold a processing system


def shell_sources() -> list[Path]:
    """The shell's RTL without the processing systems, packages first."""
    files = [path for path in SHELL_RTL.glob("*.sv") if not path.name.endswith(PROCESSORS)]
    return sorted(files, key=lambda path: (not path.stem.endswith("_pkg"), path.name))


def build_system(
    system: System, core_sources: Sequence[Path], build_dir: Path, *, data_dir: Path | None = None, fast: bool = True
) -> Path:
    """Compile ``system`` with its core (or find it compiled) below ``build_dir``; the path of the library.

    ``core_sources`` hold the accelerator and the stream modules; what they read by $readmemh is relative to
    ``data_dir``. ``fast`` drops assertions and the random state at power-up.
    """
    known = {path.name for path in core_sources}
    streams = [path for path in (STREAM_RTL / "stream_fifo.sv", STREAM_RTL / "stream_width.sv")]
    core_sources = [path.resolve() for path in core_sources]
    sources = [*shell_sources(), *(path for path in streams if path.name not in known), *core_sources]
    include_dirs = sorted({path.parent for path in core_sources})
    library = build_library(
        SYSTEM_MODULE, sources, build_dir, driver=BOARD,
        generated={"sim_top.sv": system.text() + SIM_TOP.read_text()}, include_dirs=include_dirs, fast=fast,
    )  # fmt: skip
    if data_dir is not None:
        (library.parent / "data_dir").write_text(os.path.relpath(data_dir, library.parent), encoding="utf-8")
    return library
