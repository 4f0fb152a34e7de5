"""The netlist that nextpnr leaves after routing -> primitives again, to be simulated as the netlist that it was given.

What is read is ``--write`` of nextpnr: its cells as packed and placed, with the parameters of which it writes the
bitstream. So what packing does to a design is in the result: tables of LUTs after their inputs were permuted, LUTs that
let wires through to carry chains and multiplexers, memories taken apart, ties and inversions. Of each parameter that
matters here what counts is what nextpnr's writer of FASM makes of it, defaults and unknown bits included. Which wires
of the device a net takes is not in it: of that the router's own checks and the reading back of the bitstream speak.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hw_build.base.errors import BuildError
from hw_build.implement.netlist.routed_luts import luts, memories, sites
from hw_build.implement.netlist.routed_pins import (
    Cell,
    Ties,
    connections,
    is_set,
    is_tie,
    kind_of,
    known,
    port_of,
    ports,
    refuse,
    undo_inversions,
)
from hw_build.implement.netlist.rules import check_netlist
from hw_build.implement.netlist.wires import first_free, input_pins

if TYPE_CHECKING:
    from pathlib import Path

Made = dict[str, Any]
_NOTHING = re.compile(r"(?!)")
# inputs that nextpnr leaves to be low: cascades that are not used, byte enables and parity of narrow words
_OPEN = {
    "DSP48E1": re.compile("[ABP]CIN"),
    "RAMB18E1": re.compile("WEA|WEBWE|DIP[AB]DIP"),
    "RAMB36E1": re.compile("WEA|WEBWE|DIP[AB]DIP"),
    "PS7": re.compile(".*"),
}
# what nextpnr writes of a DSP48E1 where the netlist is silent; Xilinx' default is 1
_WRITTEN_AS_ZERO = ("ALUMODEREG", "CARRYINREG", "CARRYINSELREG", "INMODEREG", "MREG", "OPMODEREG", "PREG")
_FLIP_FLOPS = {"FDRE": "R", "FDSE": "S", "FDCE": "CLR", "FDPE": "PRE"}
_STAGES = range(4)


def read_routed(path: Path) -> dict[str, Any]:
    """The one module of the netlist that nextpnr wrote to ``path``.

    Raises:
        BuildError: it is missing or broken, or has several modules.
    """
    try:
        (module,) = json.loads(path.read_text())["modules"].values()
    except (OSError, ValueError, KeyError) as error:
        raise BuildError(f"nextpnr's netlist '{path}' cannot be read ({error}): run the flow again") from None
    return module


def unpack(module: Mapping[str, Any], netlist: Mapping[str, Any], top: str) -> dict[str, Any]:
    """``module``, of nextpnr's JSON, as Yosys' JSON of the module ``top``; ``netlist`` is what nextpnr was given.

    Raises:
        BuildError: a cell cannot be told as a primitive, or the result is no whole netlist; names the cell.
    """
    cells, declared = module["cells"], netlist["modules"]
    ties, free = Ties.of(cells), itertools.count(first_free(module))
    filled, read = sites(cells), {bit for _, bits in input_pins(cells) for bit in bits}
    made = {**luts(filled, ties), **memories(filled, ties, read)}
    for name, cell in cells.items():
        if not is_tie(cell) and cell["type"] != "SLICE_LUTX":
            made[name] = primitive(name, cell, ties, declared, free)
    modules = {kind: declared[kind] for kind in sorted({cell["type"] for cell in made.values()}) if kind in declared}
    modules[top] = {"attributes": {}, "ports": {}, "cells": made, "netnames": {}}
    check_netlist(modules, top)
    return {"modules": modules}


def primitive(name: str, cell: Cell, ties: Ties, declared: Mapping[str, Any], free: Iterator[int]) -> Made:
    """The primitive, a cell of Yosys' JSON, of a packed cell that is no LUT; ``free`` gives wires to open outputs.

    Raises:
        BuildError: it is of a kind without a rule, or set up in a way that no rule knows; names it.
    """
    kind = kind_of(cell)
    if kind not in _RULES:
        raise refuse(name, cell, "no rule leads back from what nextpnr makes of such a cell")
    return _RULES[kind](name, cell, ties, declared, free)


def _made(kind: str, parameters: Mapping[str, str], wires: Mapping[str, Any], directions: Mapping[str, str]) -> Made:
    return {
        "type": kind, "parameters": dict(parameters), "attributes": {}, "port_directions": dict(directions),
        "connections": dict(wires),
    }  # fmt: skip


def _block(name: str, cell: Cell, ties: Ties, declared: Mapping[str, Any], free: Iterator[int]) -> Made:
    """A hard block, a multiplexer: its pins under the names of the primitive's ports."""
    kind = kind_of(cell)
    pins = ports(name, cell, ties)
    for value, attribute in (("0", "DSP_GND_PINS"), ("1", "DSP_VCC_PINS")):  # ties within a tile of DSP48E1
        for pin in cell["attributes"].get(attribute, "").split():
            port, place = port_of(cell, pin) or (pin, 0)
            pins.setdefault(port, {})[place] = value
    parameters = undo_inversions(cell, pins)
    if kind == "DSP48E1":
        parameters |= {key: "0" for key in _WRITTEN_AS_ZERO if key not in parameters}
    for key in ("INIT_A", "INIT_B", "SRVAL_A", "SRVAL_B"):
        if "1" in parameters.get(key, ""):
            raise refuse(name, cell, f"{key} is not zero, which nextpnr does not write")
    wires, directions = connections(name, cell, pins, declared[kind], may_be_open=_OPEN.get(kind, _NOTHING), free=free)
    return _made(kind, parameters, wires, directions)


def _flip_flop(name: str, cell: Cell, ties: Ties, declared: Mapping[str, Any], free: Iterator[int]) -> Made:
    """Starts at 0 where its INIT is unknown or missing; without a wire it is enabled, and not reset."""
    kind = kind_of(cell)
    if inverted := [key for key in cell["parameters"] if key.endswith("_INVERTED") and is_set(cell, key)]:
        raise refuse(name, cell, f"{inverted[0]} is set, which nextpnr does not write")
    reset = _FLIP_FLOPS[kind]
    pins = ports(name, cell, ties)
    for port, value in (("CE", "1"), (reset, "0")):
        pins.setdefault(port, {0: None})
        pins[port][0] = value if pins[port][0] is None else pins[port][0]
    parameters = {"INIT": known(str(cell["parameters"].get("INIT", "0")))[-1:]}
    wires, directions = connections(name, cell, pins, declared[kind], may_be_open=_NOTHING, free=free)
    return _made(kind, parameters, wires, directions)


def _carry(name: str, cell: Cell, ties: Ties, declared: Mapping[str, Any], free: Iterator[int]) -> Made:
    """What is open at a carry chain must not show in an output that is connected; a carry into it that is open is 0."""
    pins = ports(name, cell, ties)
    for port in ("CI", "CYINIT"):
        pins.setdefault(port, {0: None})
        pins[port][0] = "0" if pins[port][0] is None else pins[port][0]
    shown = {(port, stage) for port in ("O", "CO") for stage, bit in pins.get(port, {}).items() if bit is not None}
    for stage in _STAGES:
        carried = {("CO", after) for after in _STAGES[stage:]} | {("O", after) for after in _STAGES[stage + 1 :]}
        for port, reach in (("S", carried | {("O", stage)}), ("DI", carried)):
            if pins.setdefault(port, {}).get(stage) is None:
                if reach & shown:
                    raise refuse(name, cell, f"{port}[{stage}] is open, and an output that it reaches is used")
                pins[port][stage] = "0"
    wires, directions = connections(name, cell, pins, declared["CARRY4"], may_be_open=_NOTHING, free=free)
    return _made("CARRY4", {}, wires, directions)


def _clock_buffer(name: str, cell: Cell, ties: Ties, _declared: Mapping[str, Any], _free: Iterator[int]) -> Made:
    """BUFGCTRL that lets I0 through for good, as nextpnr makes it of a BUFG."""

    def high(pin: str) -> bool:
        value = ties.at(cell, pin)
        if value not in ("0", "1", None):
            raise refuse(name, cell, f"{pin} is not a constant: only a buffer that always runs is known")
        return (value == "1") != is_set(cell, f"IS_{pin}_INVERTED")

    if not (high("S0") and high("CE0")) or (high("S1") and high("CE1")):
        raise refuse(name, cell, "it does not let I0 through for good")
    wires = {"I": [ties.at(cell, "I0")], "O": [ties.at(cell, "O")]}
    return _made("BUFG", {}, wires, {"I": "input", "O": "output"})


_Rule = Callable[[str, Cell, Ties, Mapping[str, Any], Iterator[int]], Made]
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(("PS7", "DSP48E1", "RAMB18E1", "RAMB36E1", "MUXF7", "MUXF8"), _block),
    **dict.fromkeys(_FLIP_FLOPS, _flip_flop),
    "CARRY4": _carry,
    "BUFGCTRL": _clock_buffer,
}
