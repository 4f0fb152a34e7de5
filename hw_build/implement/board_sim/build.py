"""A system and its sources -> the shared library of its simulated board (``library.SimulatedBoard`` drives it)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.base.board_config import Family
from hw_build.implement.shell.device import load_device
from hw_build.implement.shell.generate import PROCESSOR_MODULES, shell_sources, stream_sources
from hw_build.implement.shell.system import SYSTEM_MODULE, System
from hw_build.simulate.build import build_library

if TYPE_CHECKING:
    from collections.abc import Sequence

DRIVER = Path(__file__).with_name("board.cpp")
SIM_TOP = Path(__file__).with_name("sim_top.sv")
MEMORY = Path(__file__).with_name("axi_memory.h")
FOLDER = "board_sim"


def build_board(build_dir: Path) -> Path:
    """Compile the board of a build whose ``shell`` step is done, or find it compiled; the path of the library.

    Its sources are those of the build's folders, but for the top and the processing system, which ``sim_top`` replaces.

    Raises:
        BuildError: the shell step is not done, a source was changed since, or Verilator or g++ fails.
    """
    device = load_device(build_dir)
    replaced = {f"{device.around.top}.sv", f"{PROCESSOR_MODULES[Family(device.around.family)]}.sv"}
    return build_library(
        SYSTEM_MODULE, [path for path in device.sources if path.name not in replaced], Path(build_dir) / FOLDER,
        driver=DRIVER, generated=generated(SIM_TOP.read_text()),
        include_dirs=sorted({path.parent for design in device.designs for path in design.rtl_files}), fast=True,
    )  # fmt: skip


def build_system(system: System, core_sources: Sequence[Path], build_dir: Path, *, fast: bool = True) -> Path:
    """Compile ``system`` with the package's shell, no build's, or find it compiled; the path of the library.

    ``core_sources`` hold what stands in for the accelerator, in compile order. ``fast`` drops assertions and the random
    state at power-up.
    """
    return build_library(
        SYSTEM_MODULE, [*shell_sources(), *stream_sources(), *core_sources], build_dir, driver=DRIVER,
        generated=generated(system.text() + SIM_TOP.read_text()),
        include_dirs=sorted({path.parent for path in core_sources}), fast=fast,
    )  # fmt: skip


def generated(sim_top: str, ports: Sequence[str] = ("m",)) -> dict[str, str]:
    """What is compiled beside the sources: the text of ``sim_top``, and the memory behind its ``ports`` (prefixes)."""
    pins = ", ".join(f"MEMORY_PINS(top, {port})" for port in ports)
    return {
        "sim_top.sv": sim_top, MEMORY.name: MEMORY.read_text(), "memory_ports.h": f"#define MEMORY_PORTS(top) {pins}\n"
    }  # fmt: skip
