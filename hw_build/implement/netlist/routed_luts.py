"""Sites of LUTs, as nextpnr filled them -> LUTs and memories with the contents that the bitstream holds.

A site is one table of 64 bits: O6 is bit {A6, ..., A1} of it, O5 is bit {A5, ..., A1} of its lower half. nextpnr puts
one cell into it or two, the second in the lower half, and permutes inputs: ``X_ORIG_PORT_A3`` names the inputs of the
original table that pin A3 is. Here the table is put together as nextpnr's writer of FASM does it, and the LUTs are made
of it, so that what is simulated is the table; an input that nothing drives is high, as in the device.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hw_build.implement.netlist.routed_pins import Bit, Cell, Ties, is_set, kind_of, known, refuse

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

_PINS = ("A1", "A2", "A3", "A4", "A5", "A6")
_BEL = re.compile(r"(SLICE_X\d+Y\d+)/([A-D])([56])LUT")
# inputs of the original table, lowest first
_INPUTS = {f"LUT{size}": tuple(f"I{place}" for place in range(size)) for size in range(1, 7)}
_MEMORIES = {"RAMD64E": ("RAM64X1D", 6), "RAMD32": ("RAM32X1D", 5)}  # the primitive that one is, and its address bits
_INPUTS |= {kind: tuple(f"RADR{place}" for place in range(bits)) for kind, (_, bits) in _MEMORIES.items()}
_INDEX = np.arange(64)


@dataclass(frozen=True)
class Site:
    """What is in one site: ``cells`` by output, O6 and O5, each with its name."""

    slice: str  # as SLICE_X30Y87
    letter: str  # A to D
    cells: dict[str, tuple[str, Cell]] = field(default_factory=dict)

    def table(self) -> np.ndarray:
        """The 64 bits of the site, bit 0 first."""
        tables = {output: _table(name, cell) for output, (name, cell) in self.cells.items()}
        if len(tables) == 1:
            return next(iter(tables.values()))
        return np.where(_INDEX < 32, tables["O5"], tables["O6"])


def sites(cells: Mapping[str, Cell]) -> list[Site]:
    """The sites of all ``SLICE_LUTX`` among ``cells``.

    Raises:
        BuildError: a cell is of another kind, or where no LUT is; names it.
    """
    found: dict[tuple[str, str], Site] = {}
    for name, cell in cells.items():
        if cell["type"] != "SLICE_LUTX":
            continue
        if kind_of(cell) not in _INPUTS:
            raise refuse(name, cell, "no rule leads back from what nextpnr makes of such a cell")
        match = _BEL.fullmatch(cell["attributes"].get("NEXTPNR_BEL", ""))
        if match is None:
            raise refuse(
                name, cell, f"it lies at '{cell['attributes'].get('NEXTPNR_BEL', '')}', which is not a place of a LUT"
            )
        where = match[1], match[2]
        found.setdefault(where, Site(*where)).cells[f"O{match[3]}"] = (name, cell)
    return list(found.values())


def _table(name: str, cell: Cell) -> np.ndarray:
    """``INIT`` of one cell over the pins of its site."""
    inputs = _INPUTS[kind_of(cell)]
    init = np.array([bit == "1" for bit in reversed(str(cell["parameters"].get("INIT", "0")))])
    init = np.concatenate([init, np.zeros(64, dtype=bool)])[:64]
    index = np.zeros(64, dtype=np.int64)
    for place, pin in enumerate(_PINS):
        for original in cell["attributes"].get(f"X_ORIG_PORT_{pin}", "").split(" "):
            if original not in ("", *inputs):
                raise refuse(name, cell, f"pin {pin} stands for '{original}', which is not an input of it")
            if original:
                index |= (_INDEX >> place & 1) << inputs.index(original)
    return init[index]


def luts(found: Iterable[Site], ties: Ties) -> dict[str, dict[str, Any]]:
    """LUTs of the sites that hold tables, cells of Yosys' JSON with no more inputs than their tables look at.

    Raises:
        BuildError: the two cells of a site want different wires at one pin, or one that is not high at A6.
    """
    made = {}
    for site in found:
        if any(kind_of(cell) in _MEMORIES for _, cell in site.cells.values()):
            continue
        table, wires = site.table(), [_wire(site, pin, ties) for pin in _PINS]
        for output, (name, cell) in site.cells.items():
            target = ties.at(cell, output)
            if target is None:
                continue
            if output == "O6" and len(site.cells) == 2 and wires[5] != "1":
                raise refuse(name, cell, "pin A6 is not high, and another cell shares its site")
            made[name] = _lut(table if output == "O6" else np.tile(table[:32], 2), wires, target)
    return made


def _wire(site: Site, pin: str, ties: Ties) -> Bit:
    """What is at ``pin`` of a site; high where neither cell has anything there."""
    at = {bit for _, cell in site.cells.values() if (bit := ties.at(cell, pin)) is not None}
    if len(at) > 1:
        name, cell = site.cells["O6"]
        raise refuse(name, cell, f"it and the other cell of its site have different wires at pin {pin}")
    return at.pop() if at else "1"


def _lut(table: np.ndarray, wires: list[Bit], target: Bit) -> dict[str, Any]:
    """A LUT of ``table`` (64,) over ``wires``, first lowest; constants and inputs that change nothing are taken out."""
    cube = table.reshape((2,) * 6)  # (64,) -> (A6, ..., A1)
    kept: list[Bit] = []
    for axis in range(6):  # from A6 on; `cube` loses the axes that are gone
        wire = wires[5 - axis]
        place = len(kept)
        low, high = cube.take(0, axis=place), cube.take(1, axis=place)
        if wire in ("0", "1"):
            cube = high if wire == "1" else low
        elif np.array_equal(low, high):
            cube = low
        else:
            kept.insert(0, wire)
    inputs = kept or ["0"]
    bits = cube.reshape(-1) if kept else np.repeat(cube.reshape(-1), 2)
    pins = {f"I{place}": [wire] for place, wire in enumerate(inputs)}
    return {
        "type": f"LUT{len(inputs)}",
        "parameters": {"INIT": "".join("01"[int(bit)] for bit in bits[::-1])},
        "attributes": {},
        "port_directions": {**dict.fromkeys(pins, "input"), "O": "output"},
        "connections": {**pins, "O": [target]},
    }


def memories(found: Iterable[Site], ties: Ties, read: Container[Bit]) -> dict[str, dict[str, Any]]:
    """A dual-port RAM for each LUT that is a memory and whose output is among the wires ``read``.

    Raises:
        BuildError: its clock is inverted, it is part of a deeper one, or its slice's D LUT, by which every LUT of
            a slice is addressed for writing, has another address.
    """
    made, by_slice = {}, defaultdict(list)
    for site in found:
        for output, (name, cell) in site.cells.items():
            if kind_of(cell) in _MEMORIES:
                by_slice[site.slice].append((site.letter, output, name, cell))
    for held in by_slice.values():
        leaders = [cell for letter, _, _, cell in held if letter == "D"]
        for _, output, name, cell in held:
            written = _write_address(name, cell, leaders, ties)
            if (target := ties.at(cell, output)) is not None and target in read:
                made[name] = _memory(name, cell, written, target, ties)
    return made


def _write_address(name: str, cell: Cell, leaders: Iterable[Cell], ties: Ties) -> list[Bit | None]:
    places = range(1, _MEMORIES[kind_of(cell)][1] + 1)
    written = [ties.at(cell, f"WA{place}") for place in places]
    if is_set(cell, "IS_WCLK_INVERTED"):
        raise refuse(name, cell, "its clock is inverted, which nextpnr does not write")
    if ties.at(cell, "WA7") is not None or ties.at(cell, "WA8") is not None:
        raise refuse(name, cell, "it is a part of a deeper memory")
    if any(written != [ties.at(leader, f"A{place}") for place in places] for leader in leaders):
        raise refuse(name, cell, "its slice's D LUT does not have its write address")
    return written


def _memory(name: str, cell: Cell, written: list[Bit | None], target: Bit, ties: Ties) -> dict[str, Any]:
    """A RAM of one bit a word, written at ``written`` and read at the pins A1 and up."""
    primitive, bits = _MEMORIES[kind_of(cell)]
    data = next((bit for pin in ("DI1", "DI2") if (bit := ties.at(cell, pin)) is not None), None)
    pins = {"D": data, "WCLK": ties.at(cell, "CLK"), "WE": ties.at(cell, "WE")}
    for place in range(bits):
        pin = f"A{place + 1}"
        if cell["attributes"].get(f"X_ORIG_PORT_{pin}") != f"RADR{place}":
            raise refuse(name, cell, f"pin {pin} is not bit {place} of its address")
        pins |= {f"A{place}": written[place], f"DPRA{place}": ties.at(cell, pin)}
    if None in pins.values():
        raise refuse(name, cell, "one of its pins is open, and it is read")
    init = known(str(cell["parameters"].get("INIT", "0"))).zfill(1 << bits)[-(1 << bits) :]
    return {
        "type": primitive,
        "parameters": {"INIT": init},
        "attributes": {},
        "port_directions": {**dict.fromkeys(pins, "input"), "DPO": "output"},
        "connections": {**{pin: [bit] for pin, bit in pins.items()}, "DPO": [target]},
    }
