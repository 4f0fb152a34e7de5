"""DSP48E1 two by two: wires between the cascade ports of neighbours, so that nextpnr puts both into one tile.

A tile holds two. nextpnr-xilinx keeps one that no cascade joins to another in the lower place, so that of 220 it fills
110 and looks for room for the others without end; the second of a cascade goes into the upper place. The wires that are
added lead from ACOUT to ACIN, and a DSP48E1 whose A_INPUT is DIRECT does not look at ACIN (Xilinx UG479).
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

from hw_build.implement.netlist.wires import CONSTANTS, first_free, input_pins, natural

if TYPE_CHECKING:
    from collections.abc import Mapping

_KIND = "DSP48E1"
_WIDTH = 30  # of ACOUT and ACIN
_CASCADE = re.compile(r"[ABP]C(IN|OUT)|CARRYCASC(IN|OUT)|MULTSIGN(IN|OUT)")


def pair_dsps(module: dict[str, Any]) -> int:
    """Join what cascades leave alone in ``module`` (Yosys' JSON), neighbours by name; returns the number of pairs."""
    cells = module["cells"]
    readers = {bit for _, bits in input_pins(cells) for bit in bits}
    alone = [
        name
        for name, cell in cells.items()
        if cell["type"] == _KIND and _is_direct(cell) and not _cascaded(cell, readers)
    ]
    alone.sort(key=natural)
    pairs = list(zip(alone[::2], alone[1::2], strict=False))
    for free, (lower, upper) in zip(itertools.count(first_free(module), _WIDTH), pairs, strict=False):
        for name, port, direction in ((lower, "ACOUT", "output"), (upper, "ACIN", "input")):
            cells[name]["connections"][port] = list(range(free, free + _WIDTH))
            cells[name]["port_directions"][port] = direction
    return len(pairs)


def _is_direct(cell: Mapping[str, Any]) -> bool:
    return cell["parameters"].get("A_INPUT", "DIRECT") == "DIRECT"


def _cascaded(cell: Mapping[str, Any], readers: set[Any]) -> bool:
    """Whether a cascade port carries anything: an input a wire, an output a wire that is read."""
    for port, bits in cell["connections"].items():
        if _CASCADE.fullmatch(port):
            inward = cell["port_directions"][port] == "input"
            if any(bit not in CONSTANTS and (inward or bit in readers) for bit in bits):
                return True
    return False
