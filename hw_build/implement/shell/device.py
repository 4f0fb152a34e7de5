"""Accelerator and shell of a build, as whoever hands them on must have them: whole, unchanged, made for each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.errors import BuildError
from hw_build.implement.shell.generate import Shell
from hw_build.stitch.design import Design

if TYPE_CHECKING:
    from pathlib import Path


def load_device(build_dir: Path) -> tuple[Design, Shell]:
    """Both records of ``build_dir``, every source that they name checked by its hash.

    Raises:
        BuildError: a record is missing or of another version, a source is not the one that was written, or the shell
            was made for another accelerator.
    """
    design, shell = Design.load(build_dir), Shell.load(build_dir)
    design.check_sources()
    shell.check_sources(build_dir)
    if shell.system.network_hash != design.network_hash:
        raise BuildError(f"the shell in {build_dir} was made for another accelerator: run the shell step again")
    return design, shell
