"""The simulated board of any build: of one accelerator its system, of two joined ones the device with both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from board.cascade_spec import STAGES
from hw_build.base.board_config import Family
from hw_build.implement.board_sim.build import FOLDER, build_board
from hw_build.implement.board_sim.device import build_device
from hw_build.implement.shell.device import load_device
from hw_build.implement.shell.joint import is_joint

if TYPE_CHECKING:
    from pathlib import Path


def build_any_board(build_dir: Path) -> Path:
    """Compile the simulated board of ``build_dir`` (or find it compiled); the path of the library.

    Raises:
        BuildError: a source was changed or is missing, or Verilator or g++ fails.
    """
    if not is_joint(build_dir):
        return build_board(build_dir)
    device = load_device(build_dir)
    busy = ", ".join(f"dut.{stage}.busy" for stage in reversed(STAGES))
    return build_device(
        Family(device.around.family), device.sources, build_dir / FOLDER, busy=f"{{{busy}}}",
        accelerators=len(STAGES), fast=True,
    )  # fmt: skip
