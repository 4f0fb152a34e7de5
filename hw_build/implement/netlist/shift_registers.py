"""SRL16E of constant length -> flip-flops in a row.

All shift registers of a slice share one enable. nextpnr-xilinx puts two of different enables into one slice when it
comes to that, and its router then never ends. There are few of them, and flip-flops are not what is scarce.
"""

from __future__ import annotations

from typing import Any

from hw_build.implement.netlist.wires import first_free

_KIND = "SRL16E"
_ADDRESS = ("A0", "A1", "A2", "A3")
_DIRECTIONS = {"C": "input", "CE": "input", "D": "input", "R": "input", "Q": "output"}


def expand_shift_registers(module: dict[str, Any]) -> int:
    """Replace the shift registers of ``module`` (Yosys' JSON); returns how many there were."""
    cells = module["cells"]
    found = {name: _length(cell) for name, cell in cells.items() if cell["type"] == _KIND}
    fixed = {name: length for name, length in found.items() if length is not None}
    free = first_free(module)
    for name, length in fixed.items():
        cell = cells.pop(name)
        pins, parameters = cell["connections"], cell["parameters"]
        wires = [pins["D"][0], *range(free, free + length - 1), pins["Q"][0]]
        free += length - 1
        init = parameters.get("INIT", "0").zfill(16)[::-1]
        inverted = parameters.get("IS_CLK_INVERTED", "0")
        for place in range(length):
            cells[f"{name}$stage{place}"] = {
                "hide_name": cell.get("hide_name", 0),
                "type": "FDRE",
                "parameters": {"INIT": init[place], "IS_C_INVERTED": inverted},
                "attributes": {},
                "port_directions": dict(_DIRECTIONS),
                "connections": {
                    "C": pins["CLK"], "CE": pins["CE"], "D": [wires[place]], "R": ["0"], "Q": [wires[place + 1]],
                },
            }  # fmt: skip
    return len(fixed)


def _length(cell: dict[str, Any]) -> int | None:
    """Stages between D and Q; None where they can change."""
    bits = [cell["connections"][pin][0] for pin in _ADDRESS]
    if any(bit not in ("0", "1") for bit in bits):
        return None
    return 1 + sum(int(bit) << place for place, bit in enumerate(bits))
