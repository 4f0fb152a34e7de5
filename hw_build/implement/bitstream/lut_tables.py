"""The tables of LUTs in nextpnr's FASM, compared with those of the routed netlist that is simulated.

So what the simulation computes with is, LUT for LUT, what the bitstream holds. FASM names a LUT by its tile and place
in it (``CLBLM_R_X3Y4.SLICEM_X0.ALUT``), the netlist by its slice (``SLICE_X4Y4``); X-Ray's tile grid leads from one to
the other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from hw_build.base.errors import MismatchError
from hw_build.implement.bitstream.xray_database import tile_grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hw_build.implement.bitstream.fasm import Feature
    from hw_build.implement.netlist.routed_luts import Site


def read_slices(database: Path, part: str) -> dict[str, str]:
    """Slice -> its name in FASM (``CLBLM_R_X3Y4.SLICEM_X0``), of all slices of ``part``.

    Raises:
        BuildError: the database has no tile grid of the part.
    """
    names: dict[str, str] = {}
    for tile, contents in tile_grid(database, part).items():
        kinds = {name: kind for name, kind in contents["sites"].items() if name.startswith("SLICE_X")}
        ordered = sorted(kinds, key=lambda name: int(name.removeprefix("SLICE_X").partition("Y")[0]))
        names |= {name: f"{tile}.{kinds[name]}_X{place}" for place, name in enumerate(ordered)}
    return names


def compare_tables(sites: Iterable[Site], asked: set[Feature], slices: Mapping[str, str], fasm: Path) -> int:
    """Every table of ``sites`` with that of the FASM ``asked``; returns how many there are.

    Raises:
        MismatchError: one differs, or the FASM has one that the netlist does not; names the first.
    """
    tables = {f"{slices[site.slice]}.{site.letter}LUT.INIT": site.table() for site in sites}
    written: dict[str, np.ndarray] = {name: np.zeros(64, dtype=bool) for name in tables}
    for name, place in asked:
        if re.search(r"\.[A-D]LUT\.INIT$", name):
            written.setdefault(name, np.zeros(64, dtype=bool))[place] = True
    for name in sorted(written):
        table = tables.get(name, np.zeros(64, dtype=bool))
        if not np.array_equal(table, written[name]):
            raise MismatchError(
                f"{name} is {_hexadecimal(written[name])} in '{fasm}' and {_hexadecimal(table)} in the routed netlist"
            )
    return len(tables)


def _hexadecimal(table: np.ndarray) -> str:
    return f"64'h{int(''.join('01'[int(bit)] for bit in table[::-1]), 2):016x}"
