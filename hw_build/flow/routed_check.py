"""Simulates the routed netlist with the jobs of the step ``netlist``, every byte compared with the golden data."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.flow.netlist_step import are_large, compare_jobs, jobs_of
from hw_build.implement.netlist.record import FOLDER, NETLIST
from hw_build.implement.netlist.routed import read_routed, unpack
from hw_build.implement.netlist.simulation import build_netlist
from hw_build.implement.shell.device import load_device

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_build.base.export import Export
    from hw_build.base.progress import Meter

STEP = "routed"


def check_routed(build_dir: Path, routed: Path, exports: Sequence[Export], meter: Meter) -> str:
    """Compare what ``routed``, nextpnr's JSON, computes with the golden data of ``exports``; returns what to report.

    Raises:
        MismatchError: a byte differs; both sides are saved.
        BuildError: the file is missing or damaged, a cell cannot be expressed as a primitive, or a job does not end.
    """
    device = load_device(build_dir)
    module = read_routed(routed)
    given = json.loads((build_dir / FOLDER / NETLIST).read_text())
    with tempfile.TemporaryDirectory(prefix="edgeseg-routed-") as folder:
        path = Path(folder, NETLIST)
        path.write_text(json.dumps(unpack(module, given, device.around.top)))
        library = build_netlist(path, device.around, build_dir, fast=are_large(exports))
    jobs = jobs_of(exports)
    compared = compare_jobs(library, device, exports, jobs, meter, STEP)
    return f"exact, {'; '.join(map(str, jobs))}: {compared:,} bytes"
