"""Project X-Ray's database: which configuration bits a feature of a tile sets.

Format: https://f4pga.readthedocs.io/projects/prjxray. ``segbits_TYPE.db`` (``segbits_TYPE.block_ram.db`` for contents
of block RAM) has a line for each feature of a type of tile: its name, then its bits, ``!`` before one that it clears.
``ppips_TYPE.db`` lists connections that are always there and take no bit. A tile's name is its type and its place.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from hw_build.base.errors import BuildError
from hw_build.implement.bitstream.fasm import Feature, read_fasm

if TYPE_CHECKING:
    from pathlib import Path

_PLACE = re.compile(r"_X\d+Y\d+$")
_ADDRESSED = re.compile(r"(.*)\[(\d+)\]")
_Bits = frozenset[str]


def tile_grid(database: Path, part: str) -> dict[str, Any]:
    """The tiles of ``part`` by name, of the family's ``database``: type, column, row (downwards), sites with types.

    Raises:
        BuildError: the database has no tile grid of the part.
    """
    device = re.match(r"[a-z0-9]+?(?=[a-z]{3}\d{3})", part)  # xc7z020 of xc7z020clg400-1
    path = database / (device[0] if device else part) / "tilegrid.json"
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BuildError(f"Project X-Ray's tile grid '{path}' cannot be read ({error})") from None


class XrayDatabase:
    """The database of a family, the folder ``root``; files are read when a tile of their type is asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._types: dict[str, dict[Feature, _Bits]] = {}

    def set_bits(self, feature: Feature) -> _Bits | None:
        """The bits that ``feature`` sets, by names that count within its tile; None where no file has the feature."""
        name, address = feature
        tile, _, rest = name.partition(".")
        kind = _PLACE.sub("", tile)
        if kind not in self._types:
            self._types[kind] = self._read(kind)
        return self._types[kind].get((f"{kind}.{rest}", address))

    def required_features(self, part: str) -> set[Feature]:
        """What the bitstream of ``part`` must set whatever the design; nothing where the database asks for nothing."""
        path = self._root / part / "required_features.fasm"
        return read_fasm(path) if path.is_file() else set()

    def _read(self, kind: str) -> dict[Feature, _Bits]:
        found: dict[Feature, _Bits] = {}
        for name in (f"ppips_{kind.lower()}.db", f"segbits_{kind.lower()}.db", f"segbits_{kind.lower()}.block_ram.db"):
            path = self._root / name
            block = "block_ram " if ".block_ram." in name else ""
            for line in path.read_text().splitlines() if path.is_file() else ():
                feature, *bits = line.split()
                match = _ADDRESSED.fullmatch(feature)
                key = (match[1], int(match[2])) if match else (feature, 0)
                found[key] = frozenset(block + bit for bit in bits if bit[0].isdigit())
        return found
