"""LUTs whose inputs are constant or the same wire twice -> smaller LUTs of the same function.

nextpnr-xilinx ties a LUT of five inputs to a carry chain when these are few enough wires, then counts pins: one with a
wire on two pins it can place nowhere, and looks without end. Yosys leaves such LUTs where mapped parts are joined.
"""

from __future__ import annotations

import re
from typing import Any

from hw_build.implement.netlist.wires import CONSTANTS

_KIND = re.compile(r"LUT([2-6])")


def simplify_luts(module: dict[str, Any]) -> int:
    """Give every LUT of ``module`` (Yosys' JSON) as many pins as it has wires; returns how many LUTs changed."""
    changed = 0
    for cell in module["cells"].values():
        match = _KIND.fullmatch(cell["type"])
        if match is None:
            continue
        pins = [f"I{index}" for index in range(int(match[1]))]
        bits = [cell["connections"][pin][0] for pin in pins]
        wires = list(dict.fromkeys(bit for bit in bits if bit not in CONSTANTS))
        if len(wires) == len(bits):
            continue
        kept = wires or ["0"]
        cell["parameters"]["INIT"] = _table(cell["parameters"].get("INIT", "0"), bits, kept)
        cell["type"] = f"LUT{len(kept)}"
        for pin in pins[len(kept) :]:
            del cell["connections"][pin], cell["port_directions"][pin]
        cell["connections"].update({pin: [bit] for pin, bit in zip(pins, kept, strict=False)})
        changed += 1
    return changed


def _table(init: str, bits: list[Any], kept: list[Any]) -> str:
    """INIT (highest index first) over the inputs ``kept`` of the LUT with INIT ``init`` over ``bits``."""
    outputs = init.zfill(1 << len(bits))[::-1]  # leading zeros may be left out
    table = []
    for index in range(1 << len(kept)):
        value = {"1": 1, **{bit: index >> place & 1 for place, bit in enumerate(kept) if bit not in CONSTANTS}}
        table.append(outputs[sum(value.get(bit, 0) << place for place, bit in enumerate(bits))])
    return "".join(reversed(table))
