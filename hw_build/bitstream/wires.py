"""Wires of a module in Yosys' JSON: numbers, beside constants as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONSTANTS = ("0", "1", "x", "z")


def first_free(module: Mapping[str, Any]) -> int:
    """A number above those of all wires of ``module``."""
    used = (bits for cell in module["cells"].values() for bits in cell["connections"].values())
    named = (net["bits"] for net in module["netnames"].values())
    return 1 + max((bit for bits in (*used, *named) for bit in bits if bit not in CONSTANTS), default=1)
