"""Boards: one TOML file each under ``hw_build/boards``, read into frozen dataclasses that refuse unknown keys."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from hw_build.base.errors import ConfigError
from hw_build.base.toml_file import read_table

BOARDS = Path(__file__).resolve().parents[1] / "boards"


class Family(StrEnum):
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
            raise ConfigError(f"{', '.join(wrong)}; correct it")


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board: its FPGA part, resources, clocks and processor interface."""

    name: str
    part: str
    resources: Resources
    clocks: Clocks
    ps: ProcessingSystem

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9-]+", self.part):
            raise ConfigError(f"part must be the name of an FPGA, letters, digits and -, got {self.part!r}; correct it")
        known = _PARTS[self.ps.family]
        if not self.part.startswith(known):
            raise ConfigError(
                f"part of a {self.ps.family} begins with {' or '.join(known)}, got '{self.part}'; correct one of them"
            )


def board_names() -> list[str]:
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
    sections = {"resources": Resources, "clocks": Clocks, "ps": ProcessingSystem}
    tables = {key: table.pop(key, {}) for key in sections}
    entries = {"name": path.stem, **table, **tables}
    problems = _key_problems(Board, entries, "the board")
    for key, kind in sections.items():
        entries[key] = _made(kind, tables[key], key, problems)
    if not problems:
        board = _made(Board, entries, "the board", problems)
    if problems:
        raise ConfigError(f"board file '{path}': {'; '.join(problems)}")
    return board


def _made(kind: type, table: Any, where: str, problems: list[str]) -> Any:
    """Dataclass ``kind`` from ``table``; where that is wrong None, and what is wrong comes into ``problems``."""
    found = _key_problems(kind, table, where)
    if not found:
        try:
            return kind(**table)
        except ConfigError as error:
            found = [str(error)]
    problems += found
    return None


def _key_problems(kind: type, table: Any, where: str) -> list[str]:
    """Keys of ``table`` that dataclass ``kind`` does not know, lacks, or has with another type."""
    if not isinstance(table, dict):
        return [f"{where} must be a table, got {table!r}; write it as [{where}]"]
    known = {entry.name: str(entry.type) for entry in fields(kind)}
    types: dict[str, type | tuple[type, ...]] = {"int": int, "float": (int, float), "str": str, "Family": str}
    problems = []
    for key, value in table.items():
        wanted = types.get(known.get(key, ""), object)
        if key not in known:
            problems.append(f"unknown key '{key}' in {where}; known keys: {', '.join(known)}")
        elif not isinstance(value, wanted) or isinstance(value, bool):
            problems.append(f"{key} in {where} must be of type {known[key]}, got {value!r}; correct it")
    if missing := [key for key in known if key not in table]:
        problems.append(f"{where} lacks {', '.join(missing)}; add it")
    return problems


def _positive(entry: Any, *names: str) -> None:
    values = {name: getattr(entry, name) for name in names}
    wrong = [
        f"{name} must be positive{'' if value <= 0 else f' and at most {_MOST}'}, got {value}"
        for name, value in values.items()
        if not 0 < value <= _MOST  # false of a nan, too
    ]
    if wrong:
        raise ConfigError(f"{', '.join(wrong)}; correct it")
