"""The sources of the whole device in compile order, as a build directory holds them."""

from __future__ import annotations

from pathlib import Path

from hw_build.shell.generate import FOLDER, Shell
from hw_build.stitch import Design


def device_sources(design: Design, shell: Shell) -> list[Path]:
    """RTL of accelerator and shell, packages before what uses them."""
    return [*design.rtl_files, *(design.build_dir / FOLDER / name for name in shell.sources)]
