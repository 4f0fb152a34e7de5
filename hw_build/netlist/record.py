"""``netlist/record.json``: which sources ``netlist.json`` was made of, what it takes, and what it was compared with.

Whoever hands the netlist on reads here whether this very file, by its hash, was simulated and exact.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hw_build.netlist.sources import device_sources
from hw_build.shell.generate import Shell
from hw_build.steps import hash_file, hash_module, write_atomically
from hw_build.stitch import Design
from hw_build.synth.yosys import yosys_version

FOLDER = "netlist"  # of a build directory
NETLIST = "netlist.json"
RECORD = "record.json"
_CODE = ("hw_build.netlist", "hw_build.synth")


@dataclass(frozen=True, kw_only=True)
class NetlistRecord:
    """``used``: the sites of its cells, keys of `Utilization`. ``checked``: the jobs that were exact, none at first."""

    sources_sha256: str
    netlist_sha256: str
    used: dict[str, int]
    checked: list[str] = field(default_factory=list)

    def save(self, build_dir: Path) -> None:
        """Write it beside the netlist, complete or not at all."""
        write_atomically(build_dir / FOLDER / RECORD, (json.dumps(asdict(self), indent=1) + "\n").encode())


def current_record(design: Design, shell: Shell) -> NetlistRecord | None:
    """The record of the build's netlist; None where there is none, or one of other sources, code or contents."""
    folder = design.build_dir / FOLDER
    try:
        record = NetlistRecord(**json.loads((folder / RECORD).read_text()))
        same = record.sources_sha256 == hash_sources(design, shell)
        return record if same and record.netlist_sha256 == hash_file(folder / NETLIST) else None
    except (OSError, ValueError, TypeError):
        return None


def hash_sources(design: Design, shell: Shell) -> str:
    """Of all that a netlist depends on: sources, memory contents, Yosys and the code that puts it together."""
    files = [*device_sources(design, shell), *(design.rtl_dir / s.path for s in design.sources if s.role == "memory")]
    parts = [(path.name, hash_file(path)) for path in files]
    code = [yosys_version(), *(hash_module(name) for name in _CODE)]
    return hashlib.sha256(json.dumps([shell.top, parts, code]).encode()).hexdigest()
