"""FASM: the features that a file sets, each bit of a wide one by itself.

Grammar: https://fasm.readthedocs.io. A line is ``FEATURE``, ``FEATURE[3]`` or ``FEATURE[63:0] = 64'b...``, with
comments after ``#`` and annotations in braces. A feature without an address is its bit 0; one set to 0 is not set.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hw_build.base.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Feature = tuple[str, int]  # name, which begins with a tile's, and address
_LINE = re.compile(
    r"(?P<name>[\w.]+)(?:\[(?P<high>\d+)(?::(?P<low>\d+))?\])?"
    r"(?:\s*=\s*(?:\d*'(?P<base>[bodh]))?(?P<value>[0-9a-fA-F_]+))?"
)
_BASES = {"b": 2, "o": 8, "d": 10, "h": 16, None: 10}


def read_fasm(path: Path) -> set[Feature]:
    """What the file ``path`` sets.

    Raises:
        BuildError: a line of it is no FASM.
    """
    with path.open() as lines:
        return set_features(lines, str(path))


def set_features(lines: Iterable[str], where: str) -> set[Feature]:
    """What ``lines`` set; ``where`` names them in an error. Raises as `read_fasm`."""
    features: set[Feature] = set()
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].partition("{")[0].strip()
        if not text:
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise BuildError(f"line {number} of '{where}' is not FASM: {text}")
        low = int(match["low"] or match["high"] or 0)
        value = int((match["value"] or "1").replace("_", ""), _BASES[match["base"]])
        features.update((match["name"], low + place) for place in range(value.bit_length()) if value >> place & 1)
    return features


def text_of(feature: Feature) -> str:
    """As a line of FASM names it; address 0 is left out, as in a feature that has none."""
    name, address = feature
    return f"{name}[{address}]" if address else name
