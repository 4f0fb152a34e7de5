"""A build directory -> ``ip/``: ``component.xml`` and every file it names, a folder for Vivado's IP catalog."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from hw_build.base.board_config import Family
from hw_build.base.errors import BuildError
from hw_build.base.step_engine import fresh_folder, hash_file
from hw_build.implement.ip.component import XGUI, XGUI_TEXT, Component
from hw_build.implement.ip.core import CORE_MODULE, core_ports, core_text
from hw_build.implement.shell.generate import Shell, lint_around_accelerator
from hw_build.implement.shell.registers import Register, read_registers
from hw_build.simulate.lint import RTL_DIR
from hw_build.stitch import TOP_MODULE, Design

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "ip"
COMPONENT = "component.xml"
CONTROL_SOURCES = tuple(
    RTL_DIR / name
    for name in ("shell/axi_pkg.sv", "shell/edgeseg_registers_pkg.sv", "shell/axi_control.sv", "ip/stream_control.sv")
)

# the registers of stream_control.sv; what they mean where that is not what they mean in the shell
_MEANINGS = {
    "OUTPUT_MODE": "0: an int32 logit a word. 1: a mask, 32 pixels a word, first in bit 0; of several classes the "
    "index of the largest logit, 4 pixels a word. A write resets the core.",
    "FRAMES_DONE": "Frames whose last word was handed over since the last reset.",
    "SOFT_RESET": "A 1 written resets the core; frames inside are lost. Reads 1 until the reset has ended.",
    "NETWORK_HASH_LO": None,
    "NETWORK_HASH_HI": None,
    "HEIGHT": None,
    "WIDTH": None,
    "CHANNELS": None,
    "CLASSES": None,
    "OUT_HEIGHT": None,
    "OUT_WIDTH": None,
}


def write_ip(build_dir: Path, folder: Path) -> tuple[str, ...]:
    """Writes the core of the accelerator in ``build_dir`` to ``folder``; returns its sources, relative to it.

    Raises:
        BuildError: the build has no shell yet, ``folder`` holds something else, a source is not the one that was
            stitched, or the core does not lint.
    """
    design, shell = Design.load(build_dir), Shell.load(build_dir)
    design.check_sources()
    _refuse_foreign(folder)
    with fresh_folder(folder) as partial:
        for source in design.sources:
            _copy(design.rtl_dir / source.path, partial / "src" / source.path)
        for path in CONTROL_SOURCES:
            _copy(path, partial / "src" / "control" / path.name)
        top = partial / "src" / f"{CORE_MODULE}.v"
        top.write_text(core_text(TOP_MODULE, design.layout, design.network_hash))
        packed = {source.path: hash_file(partial / "src" / source.path) for source in design.sources}
        assert packed == {source.path: source.sha256 for source in design.sources}, "copies are what was checked"
        lint_around_accelerator(design, CORE_MODULE, [*CONTROL_SOURCES, top])
        sources = (
            *(f"src/control/{path.name}" for path in CONTROL_SOURCES),
            *(f"src/{source.path}" for source in design.sources),
            f"src/{CORE_MODULE}.v",
        )
        (partial / XGUI).parent.mkdir()
        (partial / XGUI).write_text(XGUI_TEXT)
        component = Component(
            family=Family(shell.family),
            description=_description(design),
            ports=core_ports(design.image_shape[2]),
            registers=_registers(design),
            sources=sources,
        )
        (partial / COMPONENT).write_text(component.text(), encoding="utf-8")
    return sources


def _refuse_foreign(folder: Path) -> None:
    """BuildError where ``folder`` holds something else than a core that was written before."""
    top = folder / "src" / f"{CORE_MODULE}.v"
    if folder.is_dir() and any(folder.iterdir()) and not ((folder / COMPONENT).is_file() and top.is_file()):
        raise BuildError(f"'{folder}' holds other files than a core's, which would be lost; give another folder")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _description(design: Design) -> str:
    height, width, channels = design.image_shape
    out = f" of {design.layout.out_height} x {design.layout.out_width}" if design.layout.resizes else ""
    return (
        f"Segmentation network on a stream: {height} x {width} pixels of {channels} bytes a frame in, "
        f"logits ({design.classes} a pixel{out}) or what they decide out, {design.expected_cycles_per_frame} cycles a "
        "frame"
    )


def _registers(design: Design) -> dict[Register, int | None]:
    height, width, channels = design.image_shape
    low, high = design.network_hash & 0xFFFF_FFFF, design.network_hash >> 32
    constants = {
        "NETWORK_HASH_LO": low, "NETWORK_HASH_HI": high, "HEIGHT": height, "WIDTH": width, "CHANNELS": channels,
        "CLASSES": design.classes, "OUT_HEIGHT": design.layout.out_height, "OUT_WIDTH": design.layout.out_width,
    }  # fmt: skip
    known = {register.name: register for register in read_registers()}
    return {
        replace(known[name], doc=meaning or known[name].doc): constants.get(name) for name, meaning in _MEANINGS.items()
    }
