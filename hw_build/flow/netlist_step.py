"""The step ``netlist``: the device assembled from cells, and its simulation compared with the golden data."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hw_build.base.board_config import Family
from hw_build.base.step_engine import Step
from hw_build.flow.graph_steps import MISMATCH, images, verified
from hw_build.implement.netlist.device import make_netlist
from hw_build.implement.netlist.record import FOLDER, NETLIST, NetlistRecord
from hw_build.implement.netlist.simulation import Job, build_netlist, compare_bytes, simulate_netlist
from hw_build.implement.shell.device import Device, load_device
from hw_build.implement.shell.generate import Shell
from hw_build.implement.synth.cells import Utilization
from hw_build.implement.synth.yosys import yosys_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from hw_build.base.export import Export
    from hw_build.base.progress import Meter

NETLIST_STEP = "netlist"
_SMALL_PIXELS = 64 * 64  # up to here a frame takes seconds
_ALL_KINDS = (
    Job(frames=2, mask=False),
    Job(frames=2, mask=True),
    Job(frames=2, mask=False, stall=0.4, latency=40),
    Job(frames=2, mask=True, stall=0.4, latency=40),
)
# what the device does not have is said: on UltraScale+ this proves sources, assembly and wrapper, not Vivado's mapping
_CELLS = {Family.ZYNQ_7000: "", Family.ZYNQ_ULTRASCALE: ", mapped to 7-series cells up to its PS8 (Vivado maps anew)"}
_ONE_FRAME = (Job(frames=1, mask=False),)


def netlist_step(build_dir: Path, export: Export, meter: Meter, *, needs: tuple[str, ...]) -> Step:
    """Make the netlist and check it with the jobs of `jobs_of`; its utilisation is added to the totals."""

    def run(_folder: Path, _needed: Mapping[str, Path]) -> dict[str, Any]:
        record, line = check_device(build_dir, [export], jobs_of([export]), meter)
        return {"verification": [line], "totals": _totals(Utilization(**record.used), _family(build_dir))}

    return Step(
        name=NETLIST_STEP, run=run, needs=needs, files=(export.golden,),
        parameters={"yosys": yosys_version()}, published=(f"{FOLDER}/{NETLIST}",),
    )  # fmt: skip


def _family(build_dir: Path) -> Family:
    return Family(Shell.load(build_dir).family)


def _totals(used: Utilization, family: Family) -> dict[str, int]:
    """Totals of a netlist for place and route; on UltraScale+ no tool uses the netlist, and there are none."""
    if family is not Family.ZYNQ_7000:
        return {}
    totals = {"luts": used.luts, "ffs": used.ffs, "bram36": used.bram36, "dsps": used.dsps}
    return {f"netlist_{kind}": count for kind, count in totals.items()}


def jobs_of(exports: Sequence[Export]) -> tuple[Job, ...]:
    """Jobs for logits and masks, with and without memory stalls; for large frames, one job of logits."""
    return _ONE_FRAME if are_large(exports) else _ALL_KINDS


def are_large(exports: Sequence[Export]) -> bool:
    """Whether the simulation of one frame takes minutes."""
    return any(export.size[0] * export.size[1] > _SMALL_PIXELS for export in exports)


def check_device(
    build_dir: Path, exports: Sequence[Export], jobs: Sequence[Job], meter: Meter
) -> tuple[NetlistRecord, dict[str, Any]]:
    """Compares every byte of ``jobs``, run on the netlist of a build (made again if not current), with the golden data.

    ``exports`` are those of its accelerators, which run at once. Returns the record of the netlist, which then names
    the jobs, and the entry of the verification.

    Raises:
        MismatchError: a byte differs; both sides are saved.
        BuildError: the netlist cannot be made, or does not finish a job.
    """
    device = load_device(build_dir)
    device.check_models([(export.model, export.model_sha256) for export in exports])
    record = make_netlist(device, meter)
    started = time.perf_counter()
    library = build_netlist(build_dir / FOLDER / NETLIST, device.around, build_dir, fast=are_large(exports))
    compared = compare_jobs(library, device, exports, jobs, meter, NETLIST_STEP)
    record = replace(record, checked=sorted({*record.checked, *map(str, jobs)}))
    record.save(build_dir)
    frames = images(max(job.frames for job in jobs))
    each = [f"{frames} of {'x'.join(map(str, export.size))}" for export in exports]
    at_once = " at once" if len(exports) > 1 else ""
    against = f"golden logits of {' and '.join(each)}{at_once}, {compared:,} bytes in memory"
    against += _CELLS[Family(device.around.family)]
    return record, verified(NETLIST_STEP, against, time.perf_counter() - started)


def compare_jobs(
    library: Path, device: Device, exports: Sequence[Export], jobs: Sequence[Job], meter: Meter, step: str
) -> int:
    """Simulate ``jobs`` in the netlist ``library`` and compare each with the golden data; returns how many bytes.

    Raises what `simulate_netlist` and `compare_bytes` raise.
    """
    interval = max(design.expected_cycles_per_frame for design in device.designs)
    compared = 0
    for job in jobs:
        frames = [export.frames(job.frames) for export in exports]
        expected_cycles = (job.frames + 2) * interval
        show = meter(f"{step}: {job}", expected_cycles)
        found = simulate_netlist(
            library, device.around, [codes for codes, _, _ in frames], job, frame_cycles=interval, progress=show
        )
        show(expected_cycles)
        for left, (_, logits, names) in zip(found, frames, strict=True):
            compare_bytes(left, logits, names, job, step, device.build_dir / MISMATCH)
            compared += left.size
    return compared
