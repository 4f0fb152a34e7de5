"""Flip-flops that many parts of the design read -> one for each of these parts, of the same inputs.

The reset of the shell reaches every kernel and FIFO, all over the device, and has a LUT and the flip-flops' own pins to
go on to; nextpnr replicates nothing. With copies beside the readers only the way to the copies crosses the device.
Where a copy reads a flip-flop of its own, that is copied for groups of neighbours, so that each hop is a short one.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hw_build.implement.netlist.wires import CONSTANTS, first_free, input_pins

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

MANY = 8  # parts that read one flip-flop
GROUP = 8  # copies that share a copy of the flip-flop before them
KINDS = ("FDRE", "FDSE")  # synchronous ones: copies cannot differ
_ACCELERATOR = "core"  # its instance in edgeseg_system.sv, whose own instances are parts


def replicate_registers(module: dict[str, Any]) -> int:
    """Copy flip-flops of ``module`` (Yosys' JSON) that ``MANY`` parts read; returns how many copies were made."""
    cells = module["cells"]
    before = len(cells)
    drivers = {cell["connections"]["Q"][0]: name for name, cell in cells.items() if cell["type"] in KINDS}
    readers: dict[int, dict[str, list[tuple[list[Any], int]]]] = defaultdict(lambda: defaultdict(list))
    for name, bits in input_pins(cells):
        for place, bit in enumerate(bits):
            if bit in drivers:
                readers[bit][part_of(name)].append((bits, place))
    crowded = [wire for wire, by_part in readers.items() if len(by_part) >= MANY]
    if not crowded:
        return 0
    order = {part: place for place, part in enumerate(_neighbours_together(cells, crowded))}
    free = iter(range(first_free(module), 1 << 62))
    for wire in crowded:
        name = drivers[wire]
        parts = sorted(readers[wire].keys() - {part_of(name)}, key=order.__getitem__)
        copies = [copy_register(cells, name, f"for${part}", free) for part in parts]
        for part, copied in zip(parts, copies, strict=True):
            for bits, place in readers[wire][part]:
                bits[place] = copied["connections"]["Q"][0]
        source = cells[name]["connections"]["D"][0]
        if source in drivers and sum(map(len, readers[source].values())) == 1:  # by this flip-flop alone
            for start in range(0, len(copies), GROUP):
                relay = copy_register(cells, drivers[source], f"to${parts[start]}", free)
                for copied in copies[start : start + GROUP]:
                    copied["connections"]["D"] = list(relay["connections"]["Q"])
    return len(cells) - before


def copy_register(cells: dict[str, Any], name: str, suffix: str, free: Iterator[int]) -> dict[str, Any]:
    """A cell of the same inputs as ``name``, with an output of its own."""
    copied = cells[f"{name}${suffix}"] = copy.deepcopy(cells[name])
    copied["connections"]["Q"] = [next(free)]
    return copied


def _neighbours_together(cells: Mapping[str, Any], crowded: Sequence[int]) -> list[str]:
    """All parts, those joined by wires close together: depth first along the wires but those that all read."""
    driven_by = {
        bit: part_of(name)
        for name, cell in cells.items()
        for port, bits in cell["connections"].items()
        if cell["port_directions"][port] != "input"
        for bit in bits
    }
    joined: dict[str, dict[str, None]] = defaultdict(dict)
    for name, bits in input_pins(cells):
        for bit in set(bits).difference(crowded, CONSTANTS):
            joined[driven_by.get(bit, part_of(name))][part_of(name)] = None
    return depth_first(sorted({part_of(name) for name in cells}), joined)


def depth_first(names: Sequence[str], joined: Mapping[str, Collection[str]]) -> list[str]:
    """``names`` in their order, but each followed by those that ``joined`` leads to from there."""
    found: dict[str, None] = {}
    waiting = list(reversed(names))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = None
            waiting += [each for each in joined.get(name, ()) if each not in found]
    return list(found)


def part_of(name: str) -> str:
    """The instance that the cell ``name`` belongs to: ``system.core.KERNEL_rtl_3``, ``system.shell_of_core``."""
    names = name.removeprefix("$flatten").replace("\\", "").split(".")
    return ".".join(names[: 3 if names[1:2] == [_ACCELERATOR] else 2])
