"""The command ``ip``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.progress import tell
from hw_build.base.step_engine import locked_build
from hw_build.implement.ip.package import COMPONENT, FOLDER, write_ip
from hw_build.implement.shell.joint import refuse_joint

if TYPE_CHECKING:
    from pathlib import Path


def run_ip(build_dir: Path, folder: Path | None) -> int:
    """Writes the core, by default into the build directory, and says how Vivado finds it."""
    refuse_joint(build_dir, "ip")
    folder = folder or build_dir / FOLDER
    with locked_build(build_dir):
        sources = write_ip(build_dir, folder)
    tell(f"{folder / COMPONENT}: {len(sources)} sources. In Vivado:")
    tell(f"set_property ip_repo_paths {folder.resolve()} [current_project]; update_ip_catalog")
    return 0
