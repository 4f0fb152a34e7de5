"""``netlist/record.json``: which sources ``netlist.json`` was made of, what it takes, and what it was compared with.

Whoever hands the netlist on reads here whether this very file, by its hash, was simulated and exact.
"""

from __future__ import annotations

import json
from dataclasses import asdict, field
from typing import TYPE_CHECKING

from hw_build.base.records import load_record, record
from hw_build.base.step_engine import hash_file, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "netlist"  # of a build directory
NETLIST = "netlist.json"
RECORD = "record.json"


@record
class NetlistRecord:
    """``used``: the sites of its cells, keys of `Utilization`. ``checked``: the jobs that were exact, none at first."""

    sources_sha256: str
    netlist_sha256: str
    used: dict[str, int]
    checked: list[str] = field(default_factory=list)

    def save(self, build_dir: Path) -> None:
        """Write it beside the netlist, complete or not at all."""
        write_atomically(build_dir / FOLDER / RECORD, (json.dumps(asdict(self), indent=1) + "\n").encode())


def saved_record(build_dir: Path, sources_sha256: str) -> NetlistRecord | None:
    """The record of the build's netlist; None where there is none, or one of other sources or contents."""
    folder = build_dir / FOLDER
    try:
        record = load_record(NetlistRecord, folder / RECORD)
        same = record.sources_sha256 == sources_sha256
        return record if same and record.netlist_sha256 == hash_file(folder / NETLIST) else None
    except (OSError, ValueError):
        return None
