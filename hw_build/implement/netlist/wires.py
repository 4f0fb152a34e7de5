"""Wires of a module in Yosys' JSON: numbers, beside constants as text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONSTANTS = ("0", "1", "x", "z")
UNKNOWN = ("x", "z")


def input_pins(cells: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """The name of a cell and the wires at one of its inputs, for every input of ``cells``."""
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                yield name, bits


def first_free(module: Mapping[str, Any]) -> int:
    """A number above those of all wires of ``module``."""
    used = (bits for cell in module["cells"].values() for bits in cell["connections"].values())
    named = (net["bits"] for net in module["netnames"].values())
    return 1 + max((bit for bits in (*used, *named) for bit in bits if bit not in CONSTANTS), default=1)


def natural(name: str) -> list[Any]:
    """To sort names by: 9 comes before 10."""
    return [int(word) if word.isdigit() else word for word in re.split(r"(\d+)", name)]
