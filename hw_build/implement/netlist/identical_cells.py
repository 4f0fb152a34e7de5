"""Cells of one part that compute the same from the same wires -> one of them.

Tables of weights are mapped each by itself, with the registers of its address, so that every output of a convolution
has its own copy of the inputs' registers, with a reset of their own. Flip-flops of a slice share enable and reset: such
copies, four and fewer at a time, fill slices of which nextpnr then finds too few. Where one has too many readers
afterwards, it is copied again, for readers that lie together (`fan_out`).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from hw_build.implement.netlist.replicate import KINDS, part_of
from hw_build.implement.netlist.wires import input_pins

if TYPE_CHECKING:
    from collections.abc import Mapping

_MERGED = re.compile(rf"LUT[1-6]|INV|{'|'.join(KINDS)}")  # all have one output
_TIED = ("MUXF7", "MUXF8", "CARRY4")  # nextpnr has one place for a LUT that such a cell reads: two cannot share it


def merge_identical_cells(module: dict[str, Any]) -> int:
    """Merge cells that compute the same in ``module`` (Yosys' JSON), until there are none; returns how many went."""
    cells = module["cells"]
    before = len(cells)
    while same := _same_outputs(cells):
        for name in [name for name, cell in cells.items() if _output(cell) in same]:
            del cells[name]
        nets = (net["bits"] for net in (*module["netnames"].values(), *module["ports"].values()))
        pins = (bits for cell in cells.values() for bits in cell["connections"].values())
        for bits in (*nets, *pins):
            bits[:] = [same.get(bit, bit) for bit in bits]
    return before - len(cells)


def _same_outputs(cells: Mapping[str, Any]) -> dict[int, int]:
    """The output of a cell -> that of the first one that has the same inputs."""
    tied = {bit for name, bits in input_pins(cells) if cells[name]["type"] in _TIED for bit in bits}
    first: dict[str, int] = {}
    same: dict[int, int] = {}
    for name, cell in cells.items():
        output = _output(cell)
        if output is not None and (output not in tied or cell["type"] in KINDS):
            pins, ways = cell["connections"], cell["port_directions"]
            inputs = {port: bits for port, bits in pins.items() if ways[port] == "input"}
            identity = json.dumps([part_of(name), cell["type"], cell["parameters"], inputs], sort_keys=True)
            if first.setdefault(identity, output) != output:
                same[output] = first[identity]
    return same


def _output(cell: Mapping[str, Any]) -> int | None:
    """The wire that a cell drives; None if it is of a kind that is left alone."""
    if not _MERGED.fullmatch(cell["type"]):
        return None
    (output,) = (bits[0] for port, bits in cell["connections"].items() if cell["port_directions"][port] == "output")
    return output
