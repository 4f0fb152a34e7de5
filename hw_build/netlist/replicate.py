"""Flip-flops that many parts of the design read -> one for each of these parts, of the same inputs.

The reset of the shell reaches every kernel and FIFO, all over the device, and has a LUT and the flip-flops' own pins to
go on to; nextpnr replicates nothing. With a copy beside each reader only the way to the copies crosses the device.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import Any

from hw_build.netlist.wires import first_free, input_pins

MANY = 8  # parts that read one flip-flop
_KINDS = ("FDRE", "FDSE")  # synchronous ones: copies cannot differ
_ACCELERATOR = "core"  # its instance in edgeseg_system.sv, whose own instances are parts


def replicate_registers(module: dict[str, Any]) -> int:
    """Copy flip-flops of ``module`` (Yosys' JSON) that ``MANY`` parts read; returns how many copies were made."""
    cells = module["cells"]
    drivers = {cell["connections"]["Q"][0]: name for name, cell in cells.items() if cell["type"] in _KINDS}
    readers: dict[int, dict[str, list[tuple[list[Any], int]]]] = defaultdict(lambda: defaultdict(list))
    free = first_free(module)
    for name, bits in input_pins(cells):
        for place, bit in enumerate(bits):
            if bit in drivers:
                readers[bit][part_of(name)].append((bits, place))
    copies = 0
    for wire, by_part in readers.items():
        if len(by_part) < MANY:
            continue
        name = drivers[wire]
        for part in sorted(by_part.keys() - {part_of(name)}):
            twin = cells[f"{name}$for${part}"] = copy.deepcopy(cells[name])
            twin["connections"]["Q"] = [free]
            for bits, place in by_part[part]:
                bits[place] = free
            free += 1
            copies += 1
    return copies


def part_of(name: str) -> str:
    """The instance that the cell ``name`` belongs to: ``system.core.ConvThreshold_rtl_3``, ``system.shell_of_core``."""
    names = name.removeprefix("$flatten").replace("\\", "").split(".")
    return ".".join(names[: 3 if names[1:2] == [_ACCELERATOR] else 2])
