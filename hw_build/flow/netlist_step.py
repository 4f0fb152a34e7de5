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
from hw_build.implement.shell.device import load_device
from hw_build.implement.shell.generate import Shell
from hw_build.implement.synth.cells import Utilization
from hw_build.implement.synth.yosys import yosys_version
from hw_build.stitch import Design

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
        record, line = check_device(build_dir, export, jobs_of(export), meter)
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


def jobs_of(export: Export) -> tuple[Job, ...]:
    """Jobs for logits and masks, with and without memory stalls; for large frames, one job of logits."""
    return _ONE_FRAME if is_large(export) else _ALL_KINDS


def is_large(export: Export) -> bool:
    """Whether the simulation of one frame takes minutes."""
    height, width = export.size
    return height * width > _SMALL_PIXELS


def check_device(
    build_dir: Path, export: Export, jobs: Sequence[Job], meter: Meter
) -> tuple[NetlistRecord, dict[str, Any]]:
    """Compares every byte of ``jobs``, run on the netlist of a build (made again if not current), with the golden data.

    Returns the record of the netlist, which then names the jobs, and the entry of the verification.

    Raises:
        MismatchError: a byte differs; both sides are saved.
        BuildError: the netlist cannot be made, or does not finish a job.
    """
    design, shell = load_device(build_dir)
    design.check_model(export.model, export.model_sha256)
    record = make_netlist(design, shell, meter)
    started = time.perf_counter()
    library = build_netlist(build_dir / FOLDER / NETLIST, shell, build_dir, fast=is_large(export))
    compared = compare_jobs(library, build_dir, export, jobs, meter, NETLIST_STEP)
    record = replace(record, checked=sorted({*record.checked, *map(str, jobs)}))
    record.save(build_dir)
    frames = images(max(job.frames for job in jobs))
    against = f"golden logits of {frames} of {'x'.join(map(str, export.size))}, {compared:,} bytes in memory"
    against += _CELLS[Family(shell.family)]
    return record, verified(NETLIST_STEP, against, time.perf_counter() - started)


def compare_jobs(library: Path, build_dir: Path, export: Export, jobs: Sequence[Job], meter: Meter, step: str) -> int:
    """Simulate ``jobs`` in the netlist ``library`` and compare each with the golden data; returns how many bytes.

    Raises what `simulate_netlist` and `compare_bytes` raise.
    """
    design, shell = Design.load(build_dir), Shell.load(build_dir)
    compared = 0
    for job in jobs:
        codes, logits, names = export.frames(job.frames)
        expected_cycles = (job.frames + 2) * design.expected_cycles_per_frame
        show = meter(f"{step}: {job}", expected_cycles)
        found = simulate_netlist(
            library, shell, codes, job, frame_cycles=design.expected_cycles_per_frame, progress=show
        )
        show(expected_cycles)
        compare_bytes(found, logits, names, job, step, build_dir / MISMATCH)
        compared += found.size
    return compared
