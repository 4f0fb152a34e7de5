"""Declarations of vendor primitives, out of the cell library that Yosys brings: what a linter knows them by."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.base.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Sequence

PROCESSOR_PRIMITIVES = ("PS7", "PS8", "BUFG", "BUFG_PS")  # what the tops of the shell instantiate
_LIBRARIES = ("cells_xtra.v", "cells_sim.v")


def cell_library(name: str) -> Path:
    """A file of the cell library that Yosys brings.

    Raises:
        BuildError: pyosys is not installed.
    """
    spec = importlib.util.find_spec("pyosys")
    if spec is None or spec.origin is None:
        raise BuildError("the Python package 'pyosys' is not installed, its cell library is needed: run make setup")
    return Path(spec.origin).parent / "share" / "xilinx" / name


def declarations(names: Sequence[str]) -> str:
    """Verilog of the modules ``names``, ports and parameters without contents, marked as black boxes.

    Raises:
        BuildError: pyosys is not installed, or knows no such primitive.
    """
    text = "".join(cell_library(library).read_text(encoding="utf-8") for library in _LIBRARIES)
    found = []
    for name in names:
        match = re.search(rf"^module {name}\b.*?^endmodule$", text, re.MULTILINE | re.DOTALL)
        if match is None:
            raise BuildError(f"Yosys' cell library knows no primitive {name}; check the name")
        contents = r"^\s*(specify\b.*?\bendspecify|assign\b.*?;)$"
        found.append("(* blackbox *)\n" + re.sub(contents, "", match[0], flags=re.MULTILINE | re.DOTALL))
    return "\n\n".join(found) + "\n"


def ports(name: str) -> dict[str, tuple[str, int]]:
    """Port -> (``input``, ``output`` or ``inout``, bits) of a primitive."""
    pattern = r"^\s*(input|output|inout)\s+(?:\[(\d+):0\]\s*)?(\w+)\s*[;,)]"
    lines = re.findall(pattern, declarations([name]), re.MULTILINE)
    return {port: (direction, int(high or 0) + 1) for direction, high, port in lines}
