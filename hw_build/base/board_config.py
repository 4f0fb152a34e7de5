"""Boards: one TOML file each under ``hw_build/boards``, read into records."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Gt, Le

from hw_build.base.errors import ConfigError
from hw_build.base.records import as_record, record
from hw_build.base.toml_file import read_table

BOARDS = Path(__file__).resolve().parents[1] / "boards"


class Family(StrEnum):
    """Which processing system stands beside the fabric."""

    ZYNQ_7000 = "zynq-7000"
    ZYNQ_ULTRASCALE = "zynq-ultrascale"


# what the shell's processing systems (hw_build/rtl/shell) use: ports, and the longest burst of their AXI
_PORTS = {
    Family.ZYNQ_7000: (("GP0", "HP0"), 16),
    Family.ZYNQ_ULTRASCALE: (("HPM0_FPD", "HP0_FPD"), 256),
}
_PARTS = {Family.ZYNQ_7000: ("xc7z",), Family.ZYNQ_ULTRASCALE: ("xczu", "xck")}  # how names of the family's parts begin
_ADDRESS_BITS = range(32, 65)
_MOST = 10**9  # of anything that a board has
Count = Annotated[int, Gt(0), Le(_MOST)]
FromZero = Annotated[int, Ge(0), Le(_MOST)]
MegaHertz = Annotated[float, Ge(1e-3), Le(_MOST)]


@record
class Resources:
    """What the part has: 6-input LUTs, those of them that can be memory, flip-flops, 36 Kbit block RAMs, DSP slices,
    and UltraRAMs of 288 Kbit (4,096 x 72), which not every part has.
    """

    luts: Count
    memory_luts: Count
    ffs: Count
    bram36: Count
    dsps: Count
    uram: FromZero = 0

    def __post_init__(self) -> None:
        if self.memory_luts > self.luts:
            raise ValueError(f"memory_luts must be at most luts, got {self.memory_luts} of {self.luts}")


@record
class Clocks:
    """The oscillator of the processing system and the clock the accelerator runs at."""

    ps_ref_mhz: MegaHertz
    fabric_mhz: MegaHertz


@record
class ProcessingSystem:
    """Ports of the hard processor that the shell uses.

    ``control_base`` is the physical address of the shell's registers, 4 KiB that ``control_port`` reaches;
    ``address_bits`` and ``memory_bits`` belong to ``memory_port``, whose bursts are at most ``max_burst_beats`` long.
    """

    family: Family
    control_port: str
    control_base: int
    memory_port: str
    memory_bits: int
    address_bits: int
    max_burst_beats: int

    def __post_init__(self) -> None:
        ports, longest = _PORTS[self.family]
        beats = self.max_burst_beats
        rules = (
            (self.control_base > 0 and self.control_base % 4096 == 0,
             f"control_base must be a positive multiple of 4096, got 0x{self.control_base:x}"),
            (self.address_bits in _ADDRESS_BITS, f"address_bits must be 32 to 64, got {self.address_bits}"),
            (self.control_base < 2 ** max(_ADDRESS_BITS), f"control_base 0x{self.control_base:x} is no address"),
            (self.memory_bits == 64, f"memory_bits must be 64, the width of the shell's DMA, got {self.memory_bits}"),
            ((self.control_port, self.memory_port) == ports,
             f"control_port and memory_port of {self.family} must be {' and '.join(ports)}, got {self.control_port} "
             f"and {self.memory_port}"),
            (0 < beats <= longest and beats & (beats - 1) == 0,
             f"max_burst_beats must be a power of two of at most {longest}, got {beats}"),
        )  # fmt: skip
        if wrong := [sentence for holds, sentence in rules if not holds]:
            raise ValueError(", ".join(wrong))


@record
class Board:
    """One board: its FPGA part, resources, clocks and processor interface."""

    name: str
    part: str
    resources: Resources
    clocks: Clocks
    ps: ProcessingSystem

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9-]+", self.part):
            raise ValueError(f"part must be the name of an FPGA, letters, digits and -, got {self.part!r}")
        if not self.name.isprintable() or not self.name.strip() or "/" in self.name:
            raise ValueError(f"name must be printable and without '/', as it names files, got {self.name!r}")
        known = _PARTS[self.ps.family]
        if not self.part.startswith(known):
            raise ValueError(f"part of a {self.ps.family} begins with {' or '.join(known)}, got '{self.part}'")
        if self.ps.family is Family.ZYNQ_7000 and self.resources.uram:
            raise ValueError(f"no {self.ps.family} has UltraRAM, got resources.uram = {self.resources.uram}")


def family_of(part: str) -> Family | None:
    """The family of the FPGA ``part``; None where it is of neither."""
    return next((family for family, begin in _PARTS.items() if part.startswith(begin)), None)


def board_names() -> list[str]:
    """The boards that have a file."""
    return sorted(path.stem for path in BOARDS.glob("*.toml"))


def load_board(name: str) -> Board:
    """The board ``name``, or the board that the TOML file ``name`` describes.

    Raises:
        ConfigError: no such board or file; or every key that is unknown, missing or wrong.
    """
    path = Path(name) if name.endswith(".toml") else BOARDS / f"{name}.toml"
    if not path.is_file():
        raise ConfigError(
            f"unknown board '{name}'; known boards: {', '.join(board_names())}, or give a TOML file that describes one"
        )
    table = read_table(path, "board file")
    try:
        return as_record(Board, {"name": path.stem, **table}, "the board")
    except ValueError as error:
        raise ConfigError(f"board file '{path}': {error}; correct it") from None
