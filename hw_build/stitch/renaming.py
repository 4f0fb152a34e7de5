"""Sources of several designs side by side: what has one name but differs between them gets its design's name before it.

All modules and packages of a device share one name space. A file that all have, with the same text, is there once,
unless it names something that is renamed; then each design has its own. Words are renamed wherever they stand, in all
files of a design that are not shared, so that a port or instance that is called as a module is keeps to one name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

DEFINITION = re.compile(r"^\s*(?:module|package)\s+(?:automatic\s+)?(\w+)", re.MULTILINE)
_PACKAGE = "_pkg.sv"


def side_by_side(
    designs: Mapping[str, Mapping[str, str]], always: Collection[str]
) -> tuple[dict[str, str], frozenset[str]]:
    """(file -> text in compile order, the names that are renamed) of ``designs``: prefix -> (file -> text).

    A design's own files are in a folder of its name. ``always`` are names that are renamed even if nothing differs.
    """
    names = _differing(designs, always)
    files = {}
    for prefix, sources in designs.items():
        for path, text in sources.items():
            if names & _words(text):
                files[f"{prefix}/{path}"] = _renamed(text, names, prefix)
            else:
                files[path] = text
    return {path: files[path] for path in sorted(files, key=lambda path: not path.endswith(_PACKAGE))}, names


def own_name(prefix: str, name: str) -> str:
    """What a name that is renamed is called in the design ``prefix``."""
    return f"{prefix}_{name}"


def _differing(designs: Mapping[str, Mapping[str, str]], always: Collection[str]) -> frozenset[str]:
    """Names whose files differ, or name one that does."""
    homes: dict[str, set[tuple[str, str]]] = {}
    for sources in designs.values():
        for path, text in sources.items():
            for name in DEFINITION.findall(text):
                homes.setdefault(name, set()).add((path, text))
    names = {name for name, files in homes.items() if len(files) > 1} | (homes.keys() & set(always))
    while True:
        more = {name for name, files in homes.items() if any(names & _words(text) for _, text in files)}
        if more <= names:
            return frozenset(names)
        names |= more


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def _renamed(text: str, names: Collection[str], prefix: str) -> str:
    pattern = r"\b(?:" + "|".join(sorted(names)) + r")\b"
    return re.sub(pattern, lambda match: own_name(prefix, match[0]), text)
