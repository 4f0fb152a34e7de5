"""A system and its sources -> the shared library of its simulated board (``library.SimulatedBoard`` drives it)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hw_build.errors import BuildError
from hw_build.shell.generate import Shell, shell_sources, stream_sources
from hw_build.shell.system import SYSTEM_MODULE, System
from hw_build.sim.build import build_library
from hw_build.stitch.design import Design

DRIVER = Path(__file__).with_name("board.cpp")
SIM_TOP = Path(__file__).with_name("sim_top.sv")
MEMORY = Path(__file__).with_name("axi_memory.h")
FOLDER = "board_sim"


def build_board(build_dir: Path) -> Path:
    """Compile the board of a build whose ``shell`` step is done, or find it compiled; the path of the library.

    Raises:
        BuildError: the shell step is not done, or Verilator or g++ fails.
    """
    design, shell = Design.load(build_dir), Shell.load(build_dir)
    if shell.system.network_hash != design.network_hash:
        raise BuildError(f"the shell in {build_dir} was made for another accelerator: run the shell step again")
    return build_system(shell.system, design.rtl_files, Path(build_dir) / FOLDER, data_dir=design.rtl_dir)


def build_system(
    system: System, core_sources: Sequence[Path], build_dir: Path, *, data_dir: Path | None = None, fast: bool = True
) -> Path:
    """Compile ``system`` with its core (or find it compiled) below ``build_dir``; the path of the library.

    ``core_sources`` hold the accelerator, in compile order; what they read by $readmemh is relative to ``data_dir``.
    ``fast`` drops assertions and the random state at power-up.
    """
    core_sources = [path.resolve() for path in core_sources]
    known = {path.name for path in core_sources}
    shared = [path for path in stream_sources() if path.name not in known]
    library = build_library(
        SYSTEM_MODULE, [*shell_sources(), *shared, *core_sources], build_dir, driver=DRIVER,
        generated=generated(system.text()),
        include_dirs=sorted({path.parent for path in core_sources}), fast=fast,
    )  # fmt: skip
    if data_dir is not None:
        (library.parent / "data_dir").write_text(os.path.relpath(data_dir, library.parent), encoding="utf-8")
    return library


def generated(system_text: str) -> dict[str, str]:
    """What is compiled beside the sources: the bench, and ``system_text`` where no source holds the system."""
    return {"sim_top.sv": system_text + SIM_TOP.read_text(), MEMORY.name: MEMORY.read_text()}
