"""The instances that a stitched top is made of, read from the text of ``top.sv``, and the sources each of them needs.

Reading the generated text, not the graph that it was generated from, leaves nothing out: what stands in the simulated
top is what is synthesised.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw_build.base.errors import BuildError
from hw_build.stitch.renaming import DEFINITION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# with GAUGE = 0, the default, these reach no logic of a stream_edge: without them equal FIFOs are one
_MEASURING_ONLY = frozenset(("GAUGE", "INDEX", "BEATS_PER_FRAME"))
_PARAMETER = r'\.(\w+)\s*\(((?:"[^"]*"|[^()"])*)\)'
_INSTANCE = re.compile(rf"^  (\w+)(?: #\(((?:\s*{_PARAMETER},?)*)\s*\))? (\w+) \($", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One instance in the module ``parent``; ``parameters`` map names to SystemVerilog literals as text."""

    name: str
    module: str
    parameters: Mapping[str, str]
    parent: str = ""


def read_instances(top_text: str, parent: str) -> list[Instance]:
    """Every instance in ``top_text``, the module ``parent``, in its order.

    Raises:
        BuildError: a line that opens an instance could not be read.
    """
    found = [
        Instance(
            name=match[5],
            module=match[1],
            parent=parent,
            parameters={
                name: value for name, value in re.findall(_PARAMETER, match[2] or "") if name not in _MEASURING_ONLY
            },
        )
        for match in _INSTANCE.finditer(top_text)
    ]
    opened = len(re.findall(r"^ +(?:\w+|\)) \w+ \($|^  \w+ #\(.*\) \w+ \($", top_text, re.MULTILINE))
    if opened != len(found):
        raise BuildError(f"top.sv opens {opened} instances, {len(found)} can be read: stitch it again")
    return found


def sources_of(module: str, files: Sequence[Path]) -> list[Path]:
    """Those of ``files``, in their order, that ``module`` needs: where it, or what these files name, is defined."""
    texts = {file: file.read_text(errors="replace") for file in files}
    home = {name: file for file, text in texts.items() for name in DEFINITION.findall(text)}
    if module not in home:
        raise BuildError(f"module {module} is in none of the {len(files)} sources: stitch the design again")
    needed: set[Path] = set()
    waiting = [home[module]]
    while waiting:
        file = waiting.pop()
        if file not in needed:
            needed.add(file)
            waiting += [home[word] for word in set(re.findall(r"\w+", texts[file])) if word in home]
    return [file for file in files if file in needed]
