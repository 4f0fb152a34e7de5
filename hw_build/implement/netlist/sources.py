"""The sources of the whole device in compile order, as a build directory holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from hw_build.implement.shell.generate import Shell
    from hw_build.stitch import Design


def device_sources(design: Design, shell: Shell) -> list[Path]:
    """RTL of accelerator and shell, packages before what uses them."""
    return [*design.rtl_files, *shell.files(design.build_dir)]
