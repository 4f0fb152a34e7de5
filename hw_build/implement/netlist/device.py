"""The whole device as one netlist of xc7 cells, put together, made placeable and checked.

Its parts are the netlists that `hw_build synth` counts and caches; what is mapped here is only what lies around them:
processing system, clock and reset. On Zynq-7000, cells are then rewritten for nextpnr, to the same function; what
stands under the final name is what is simulated and what is handed on. UltraScale+ has the same cells around a PS8, to
be simulated and nothing else: there Vivado starts from the sources.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.base.board_config import Family
from hw_build.base.errors import BuildError
from hw_build.base.sources import digests_of
from hw_build.base.step_engine import hash_file, write_atomically
from hw_build.implement.netlist.assemble import assemble
from hw_build.implement.netlist.dsp_pairs import pair_dsps
from hw_build.implement.netlist.fan_out import split_fan_out
from hw_build.implement.netlist.identical_cells import merge_identical_cells
from hw_build.implement.netlist.lut_inputs import simplify_luts
from hw_build.implement.netlist.record import FOLDER, NETLIST, RECORD, NetlistRecord, saved_record
from hw_build.implement.netlist.replicate import replicate_registers
from hw_build.implement.netlist.rules import check_netlist
from hw_build.implement.netlist.shift_registers import expand_shift_registers
from hw_build.implement.synth.cells import Utilization, utilization
from hw_build.implement.synth.design import Part, synthesise_device
from hw_build.implement.synth.yosys import yosys_version

if TYPE_CHECKING:
    from hw_build.base.progress import Meter
    from hw_build.implement.shell.device import Device

# What nextpnr cannot place, or places badly, is rewritten in this order, to the same function. LUTs come after merging:
# two pins may read the same wire once their writers are merged.
PLACEABLE = (
    expand_shift_registers,
    merge_identical_cells,
    simplify_luts,
    replicate_registers,
    split_fan_out,
    pair_dsps,
)


def make_netlist(device: Device, meter: Meter, jobs: int | None = None) -> NetlistRecord:
    """The netlist of a build, in its folder ``netlist``: made anew unless the one that is there is of these sources.

    Raises:
        BuildError: a part has no netlist, or the whole breaks a rule of `hw_build.implement.netlist.rules`.
        SynthesisError: Yosys refuses the device, or an instance does not fit its part.
    """
    sources_sha256 = hash_sources(device)
    if (record := saved_record(device.build_dir, sources_sha256)) is not None:
        return record
    path = device.build_dir / FOLDER / NETLIST
    path.parent.mkdir(exist_ok=True)
    path.with_name(RECORD).unlink(missing_ok=True)
    used = write_netlist(device, synthesise_device(device, meter, jobs), path)
    record = NetlistRecord(sources_sha256=sources_sha256, netlist_sha256=hash_file(path), used=asdict(used))
    record.save(device.build_dir)
    return record


def hash_sources(device: Device) -> str:
    """Of all that a netlist depends on: sources, Yosys, and all that `make_netlist` runs and reads."""
    parts = [(path.name, hash_file(path)) for path in device.sources]
    code = [yosys_version(), digests_of(make_netlist)]
    return hashlib.sha256(json.dumps([device.around.top, parts, code]).encode()).hexdigest()


def write_netlist(device: Device, parts: list[Part], path: Path) -> Utilization:
    """Write the netlist to ``path``; returns the sites that its cells take. Raises as `make_netlist`."""
    if missing := [part.name for part in parts if part.netlist is None]:
        raise BuildError(f"there is no netlist of {', '.join(missing)}: `hw_build synth` says why")
    netlists = {(part.parent, part.module, part.name): part.netlist for part in parts if part.netlist is not None}
    with tempfile.TemporaryDirectory(prefix="edgeseg-netlist-") as work:
        assembled = Path(work, path.name)
        assemble(device.around.top, device.sources, netlists, assembled)
        netlist = json.loads(assembled.read_text())
    name = device.around.top
    top = netlist["modules"][name]
    for change in PLACEABLE if Family(device.around.family) is Family.ZYNQ_7000 else ():
        change(top)
    check_netlist(netlist["modules"], name)
    write_atomically(path, json.dumps(netlist).encode())
    return utilization(Counter(cell["type"] for cell in top["cells"].values()))
