"""A flip-flop that many cells of its part read -> several of the same inputs, each for readers that lie together.

The enable of a kernel, a register of the buffer behind it, is read by up to thousands of flip-flops that a placer
spreads over a quarter of the device; nextpnr replicates nothing. Resets are left alone: `replicate` serves them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hw_build.implement.netlist.replicate import KINDS, copy_register, depth_first, part_of
from hw_build.implement.netlist.wires import CONSTANTS, first_free

if TYPE_CHECKING:
    from collections.abc import Mapping

# Readers of one flip-flop. Those of a slice share their enable, and nextpnr moves none that it has joined to a LUT out
# of another's way: with 64 readers, XXS has 2,232 pairs of enable and reset, and in 11 minutes no place is found.
FAN_OUT = 256
_LOCAL = 8  # pins of a wire that says that its cells lie together
_RESETS = ("R", "S")


def split_fan_out(module: dict[str, Any]) -> int:
    """Copy flip-flops of ``module`` (Yosys' JSON) that over ``FAN_OUT`` pins read; returns the number of copies."""
    cells = module["cells"]
    before = len(cells)
    drivers = {cell["connections"]["Q"][0]: name for name, cell in cells.items() if cell["type"] in KINDS}
    readers: dict[int, list[tuple[str, list[Any], int]]] = defaultdict(list)
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input" and port not in _RESETS:
                for place, bit in enumerate(bits):
                    if bit in drivers:
                        readers[bit].append((name, bits, place))
    crowded = [wire for wire, pins in readers.items() if len(pins) > FAN_OUT]
    if not crowded:
        return 0
    order = {name: place for place, name in enumerate(_neighbours_together(cells))}
    free = iter(range(first_free(module), 1 << 62))
    for wire in crowded:
        name = drivers[wire]
        pins = sorted(readers[wire], key=lambda pin: order[pin[0]])
        groups = -(-len(pins) // FAN_OUT)
        for group in range(1, groups):
            copied = copy_register(cells, name, f"of${group}", free)
            for _, bits, place in pins[len(pins) * group // groups : len(pins) * (group + 1) // groups]:
                bits[place] = copied["connections"]["Q"][0]
    return len(cells) - before


def _neighbours_together(cells: Mapping[str, Any]) -> list[str]:
    """All cells, a part's in a row, those joined by wires of few pins close together: depth first along these."""
    pins: dict[int, dict[str, None]] = defaultdict(dict)
    for name, cell in cells.items():
        for bits in cell["connections"].values():
            for bit in bits:
                if bit not in CONSTANTS:
                    pins[bit][name] = None
    parts = {name: part_of(name) for name in cells}
    joined: dict[str, dict[str, None]] = defaultdict(dict)
    for names in pins.values():
        if len(names) <= _LOCAL:
            for name in names:
                joined[name].update(dict.fromkeys(each for each in names if parts[each] == parts[name]))
    return depth_first(sorted(cells, key=lambda name: (parts[name], name)), joined)
