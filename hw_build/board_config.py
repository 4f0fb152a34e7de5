"""Boards: one TOML file each under ``hw_build/boards``, read into frozen dataclasses that refuse unknown keys."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from hw_build.errors import ConfigError

BOARDS = Path(__file__).resolve().parent / "boards"


class Family(StrEnum):
    ZYNQ_7000 = "zynq-7000"
    ZYNQ_ULTRASCALE = "zynq-ultrascale"


# what the shell's processing systems (hw_build/rtl/shell) use: ports, and the longest burst of their AXI
_PORTS = {
    Family.ZYNQ_7000: (("GP0", "HP0"), 16),
    Family.ZYNQ_ULTRASCALE: (("HPM0_FPD", "HP0_FPD"), 256),
}


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What the part has: 6-input LUTs, those of them that can be memory, flip-flops, 36 Kbit block RAMs, DSP slices."""

    luts: int
    memory_luts: int
    ffs: int
    bram36: int
    dsps: int

    def __post_init__(self) -> None:
        _positive(self, "luts", "memory_luts", "ffs", "bram36", "dsps")


@dataclass(frozen=True, kw_only=True)
class Clocks:
    """The oscillator of the processing system and the clock the accelerator runs at."""

    ps_ref_mhz: float
    fabric_mhz: float

    def __post_init__(self) -> None:
        _positive(self, "ps_ref_mhz", "fabric_mhz")


@dataclass(frozen=True, kw_only=True)
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
        if self.family not in list(Family):
            known = ", ".join(Family)
            raise ConfigError(f"family must be one of {known}, got '{self.family}'; choose one of them")
        object.__setattr__(self, "family", Family(self.family))
        _positive(self, "control_base", "address_bits", "max_burst_beats")
        if self.memory_bits != 64:
            raise ConfigError(
                f"memory_bits must be 64, the width of the shell's DMA, got {self.memory_bits}; correct it"
            )
        if self.control_base % 4096:
            raise ConfigError(f"control_base must be a multiple of 4096, got 0x{self.control_base:x}; correct it")
        ports, longest = _PORTS[self.family]
        if (self.control_port, self.memory_port) != ports:
            raise ConfigError(
                f"the ports of {self.family} are {' and '.join(ports)}; correct control_port, memory_port"
            )
        if self.max_burst_beats > longest or self.max_burst_beats & (self.max_burst_beats - 1):
            raise ConfigError(
                f"max_burst_beats must be a power of two of at most {longest}, got {self.max_burst_beats}; correct it"
            )


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board: its FPGA part, resources, clocks and processor interface."""

    name: str
    part: str
    resources: Resources
    clocks: Clocks
    ps: ProcessingSystem


def board_names() -> list[str]:
    return sorted(path.stem for path in BOARDS.glob("*.toml"))


def load_board(name: str) -> Board:
    """The board ``name``, or the board that the TOML file ``name`` describes.

    Raises:
        ConfigError: no such board or file, a key is unknown, missing or of the wrong kind.
    """
    path = Path(name) if name.endswith(".toml") else BOARDS / f"{name}.toml"
    if not path.is_file():
        raise ConfigError(
            f"unknown board '{name}'; known boards: {', '.join(board_names())}, or give a TOML file that describes one"
        )
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"board file '{path}' is not TOML ({error}); correct it") from None
    try:
        sections = {"resources": Resources, "clocks": Clocks, "ps": ProcessingSystem}
        made = {key: _read(kind, table.pop(key, {}), key) for key, kind in sections.items()}
        return _read(Board, {"name": path.stem, **table, **made}, "the board")
    except ConfigError as error:
        raise ConfigError(f"board file '{path}': {error}") from None


def _read(kind: type, table: Any, where: str) -> Any:
    """Builds dataclass ``kind`` from ``table``, refusing unknown, missing and wrongly typed keys."""
    if not isinstance(table, dict):
        raise ConfigError(f"{where} must be a table, got {table!r}; write it as [{where}]")
    known = {entry.name: entry.type for entry in fields(kind)}
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"unknown key '{key}' in {where}; known keys: {', '.join(known)}")
        wanted = {"int": int, "float": (int, float), "str": str, "Family": str}.get(known[key], object)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise ConfigError(f"{key} in {where} must be of type {known[key]}, got {value!r}; correct it")
    if missing := [key for key in known if key not in table]:
        raise ConfigError(f"{where} lacks {', '.join(missing)}; add it")
    return kind(**table)


def _positive(entry: Any, *names: str) -> None:
    for name in names:
        if getattr(entry, name) <= 0:
            raise ConfigError(f"{name} must be positive, got {getattr(entry, name)}; correct it")
