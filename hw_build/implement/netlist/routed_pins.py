"""Pins of a cell that nextpnr packed -> ports of the primitive that it was.

nextpnr-xilinx gives each cell the pins of its site and says in attributes ``X_ORIG_PORT_<pin>`` which bit of which port
a pin is, in ``X_ORIG_TYPE`` which primitive. One bit may be several pins. Constants are wires from two pseudo cells; a
zero at a pin that can invert becomes a one and a parameter ``IS_<port>_INVERTED``. Here such wires are constants again,
with the inversion in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hw_build.base.errors import BuildError
from hw_build.implement.netlist.wires import CONSTANTS

Cell = Mapping[str, Any]
Bit = int | str  # a wire, or a constant of `wires.CONSTANTS`
_PORT = re.compile(r"(.+?)(?:\[(\d+)\])?")
_TIES = {"PSEUDO_GND": "0", "PSEUDO_VCC": "1"}


def kind_of(cell: Cell) -> str:
    """The primitive that ``cell`` was; its own type where nextpnr did not say."""
    return cell["attributes"].get("X_ORIG_TYPE", cell["type"])


def refuse(name: str, cell: Cell, fault: str) -> BuildError:
    """The error of a cell that cannot be told as a primitive."""
    return BuildError(f"the routed netlist cannot be simulated: {kind_of(cell)} '{name}': {fault}")


@dataclass(frozen=True)
class Ties:
    """The wires that nextpnr's own cells drive with a constant."""

    values: Mapping[int, str]

    @staticmethod
    def of(cells: Mapping[str, Cell]) -> Ties:
        drivers = [cell for cell in cells.values() if cell["type"] in _TIES]
        return Ties({cell["connections"]["Y"][0]: _TIES[cell["type"]] for cell in drivers})

    def at(self, cell: Cell, pin: str) -> Bit | None:
        """What is at ``pin`` of ``cell``: a wire or a constant; None where nothing is."""
        bits = cell["connections"].get(pin, [])
        return self.values.get(bits[0], bits[0]) if bits else None


def is_tie(cell: Cell) -> bool:
    """Whether the cell only drives a constant."""
    return cell["type"] in _TIES


def is_set(cell: Cell, parameter: str) -> bool:
    """Whether the last bit of ``parameter`` is one; an unknown bit is a zero to nextpnr."""
    return str(cell["parameters"].get(parameter, "0")).strip().endswith("1")


def known(value: str) -> str:
    """A parameter as nextpnr writes it into the bitstream: bits that are unknown are zeros; texts stay."""
    return value.replace("x", "0").replace("z", "0") if re.fullmatch("[01xz]+", value) else value


def port_of(cell: Cell, pin: str) -> tuple[str, int] | None:
    """Port of the primitive and place in it; None for a pin that nextpnr added."""
    original = cell["attributes"].get(f"X_ORIG_PORT_{pin}")
    if original is None:
        return None
    found = _PORT.fullmatch(original)
    assert found is not None, "it matches any name"
    return found[1], int(found[2] or 0)


def ports(name: str, cell: Cell, ties: Ties) -> dict[str, dict[int, Bit | None]]:
    """Port -> place -> what is there, of all pins that were the primitive's.

    Raises:
        BuildError: two pins of one bit have different wires, or a pin that was not the primitive's has a wire.
    """
    found: dict[str, dict[int, Bit | None]] = {}
    for pin in cell["connections"]:
        bit, target = ties.at(cell, pin), port_of(cell, pin)
        if target is None:
            if bit is not None and bit not in CONSTANTS:
                raise refuse(name, cell, f"a wire at pin {pin}, which nextpnr added")
            continue
        bits = found.setdefault(target[0], {})
        if bits.get(target[1]) not in (None, bit) and bit is not None:
            raise refuse(name, cell, f"pins of {target[0]}[{target[1]}] have different wires")
        bits[target[1]] = bit if bit is not None else bits.get(target[1])
    return found


def undo_inversions(cell: Cell, pins: dict[str, dict[int, Bit | None]]) -> dict[str, str]:
    """Constants at pins that invert are inverted in ``pins``; returns the parameters, with what still inverts."""
    parameters = {key: known(str(value)) for key, value in cell["parameters"].items()}
    for port, bits in pins.items():
        whole = parameters.pop(f"IS_{port}_INVERTED", "0")
        mask = int(whole, 2)
        for place, bit in bits.items():
            if int(parameters.pop(f"IS_{port}[{place}]_INVERTED", "0"), 2):
                mask |= 1 << place
            if mask >> place & 1 and bit in ("0", "1"):
                bits[place] = "10"[int(bit)]
                mask &= ~(1 << place)
        if mask:
            parameters[f"IS_{port}_INVERTED"] = f"{mask:0{max(bits) + 1}b}"
    return parameters


def connections(
    name: str, cell: Cell, pins: Mapping[str, Mapping[int, Bit | None]], declared: Mapping[str, Any],
    *, may_be_open: re.Pattern[str], free: Iterator[int],
) -> tuple[dict[str, list[Bit]], dict[str, str]]:  # fmt: skip
    """Wires and directions at the ports of the primitive ``declared`` (of Yosys' JSON), whole words.

    An input bit without anything is a zero where ``may_be_open`` matches the port; outputs get wires from ``free``.

    Raises:
        BuildError: another input is open, or the primitive has no such port.
    """
    if unknown := sorted(pins.keys() - declared["ports"].keys()):
        raise refuse(name, cell, f"it has no port {unknown[0]}")
    wires: dict[str, list[Bit]] = {}
    directions: dict[str, str] = {}
    for port, of_port in declared["ports"].items():
        found, is_input = pins.get(port), of_port["direction"] == "input"
        if found is None and not (is_input and may_be_open.fullmatch(port)):
            continue
        word = [(found or {}).get(place) for place in range(len(of_port["bits"]))]
        if is_input and None in word and not may_be_open.fullmatch(port):
            raise refuse(name, cell, f"nothing is connected to its input {port}[{word.index(None)}]")
        wires[port] = [bit if bit is not None else "0" if is_input else next(free) for bit in word]
        directions[port] = of_port["direction"]
    return wires, directions
