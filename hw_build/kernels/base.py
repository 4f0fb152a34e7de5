"""What every hardware node tells the stitcher: its RTL module, parameters, sources and AXI-Stream ports.

One description serves FINN's own RTL nodes and ours, so that the stitcher knows no node type.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class StreamPort:
    """One AXI-Stream port of an RTL module.

    ``tdata``, ``tvalid`` and ``tready`` are the port names on the module. ``width_bits`` is the width of ``tdata``
    as declared there (FINN pads to bytes, ours does not); ``payload_bits`` of it, from bit 0 up, carry data.
    ``element_bits`` is the width of one element; element ``i`` of a beat is ``[i*element_bits +: element_bits]``.
    """

    tdata: str
    tvalid: str
    tready: str
    width_bits: int
    payload_bits: int
    element_bits: int


@dataclass(frozen=True, kw_only=True)
class RtlInstance:
    """An RTL module as the stitcher instantiates it. ``parameters`` map names to SystemVerilog literals as text.

    ``generated`` maps names of further sources, which are no files yet, to their text.
    """

    module: str
    clock: str
    reset_n: str
    inputs: tuple[StreamPort, ...]
    outputs: tuple[StreamPort, ...]
    files: tuple[Path, ...]
    parameters: dict[str, str] = field(default_factory=dict)
    generated: dict[str, str] = field(default_factory=dict)
    include_dirs: tuple[Path, ...] = ()
    origin: str = "edgeseg"  # or "finn": whose RTL this is

    def written(self, folder: Path) -> RtlInstance:
        """The same with its generated sources as files of ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = tuple(folder / name for name in self.generated)
        for path in paths:
            partial = path.with_suffix(f".{os.getpid()}")  # others may read it
            partial.write_text(self.generated[path.name])
            partial.replace(path)
        return replace(self, files=self.files + paths, generated={})
