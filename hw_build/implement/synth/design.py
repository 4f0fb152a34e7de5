"""A stitched design and its shell through Yosys, instance by instance; one that was synthesised before is not redone.

A refusal of Yosys is kept as its results are, but not that it was ended from outside.

The sources are those below ``rtl/`` of the build, which are also the simulated ones: their hashes must be those of
``design.json``. Between instances lies nothing but wires (`tests/hw_build/synth` compares the sum with a flat run).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hw_build.base.cache import cache_root
from hw_build.base.errors import BuildError
from hw_build.base.records import load_record, record
from hw_build.base.step_engine import hash_file, write_atomically
from hw_build.implement.shell import generate as shell
from hw_build.implement.shell.system import SYSTEM_MODULE
from hw_build.implement.synth.cells import Utilization, utilization
from hw_build.implement.synth.instances import Instance, read_instances, sources_of
from hw_build.implement.synth.yosys import (
    RTLIL_SUFFIX,
    Cells,
    SynthesisEndedError,
    SynthesisError,
    synthesise_beside_others,
    yosys_version,
)
from hw_build.kernels.row_memory import ULTRA
from hw_build.stitch import TOP_MODULE, Design
from hw_build.stitch.top import ULTRA_EDGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hw_build.base.progress import Meter
    from hw_build.implement.shell.device import Device

LIMIT_SECONDS = 900.0  # of processor time: a kernel that takes Yosys longer is reported as not synthesised


@dataclass(frozen=True, kw_only=True)
class Part:
    """One instance in the module ``parent``: what it takes and its netlist (RTLIL, a module named as the file), or why
    there is none. ``cached``: the result was there already.
    """

    name: str
    module: str
    used: Utilization | None
    refusal: str | None
    netlist: Path | None = None
    cached: bool = False
    parent: str = ""


@dataclass(frozen=True)
class _Job:
    """What one synthesis needs; equal instances share one, by ``key``."""

    key: str
    instance: Instance
    sources: tuple[Path, ...]
    cells: Cells


def synthesise_design(
    design: Design,
    *,
    cells: Cells = Cells.XC7,
    jobs: int = 1,
    only: str | None = None,
    on_total: Callable[[int], None] = lambda total: None,
    on_done: Callable[[int], None] = lambda done: None,
) -> list[Part]:
    """Every instance of the top and the shell (or the one named ``only``) to ``cells``, ``jobs`` Yosys processes at a
    time. 7-series cells have no UltraRAM: what asks for it lies in block RAM there.

    ``on_total`` gets the number of different instances, ``on_done`` how many of them are finished.

    Raises:
        BuildError: a source was changed, or there is no instance ``only``.
    """
    design.check_sources()
    around = _shell_files(design)
    apart = {TOP_MODULE: design.rtl_dir / "top.sv", SYSTEM_MODULE: _path_of(SYSTEM_MODULE, around)}
    instances, files = _instances(apart), [*design.rtl_files, *around]
    if only is not None:
        instances = [instance for instance in instances if instance.name == only]
        if not instances:
            raise BuildError(f"the design has no instance '{only}'; its nodes are in {design.build_dir}/design.json")
    return synthesise_instances(instances, files, cells=cells, jobs=jobs, on_total=on_total, on_done=on_done)


def synthesise_instances(
    instances: Sequence[Instance],
    files: Sequence[Path],
    *,
    cells: Cells = Cells.XC7,
    jobs: int = 1,
    on_total: Callable[[int], None] = lambda total: None,
    on_done: Callable[[int], None] = lambda done: None,
) -> list[Part]:
    """``instances`` of modules in ``files``, as `synthesise_design` does."""
    listed = [_job(instance, files, cells) for instance in instances]
    unique = {job.key: job for job in listed}
    on_total(len(unique))
    results = asyncio.run(_run_all(list(unique.values()), jobs, on_done))
    return [
        Part(name=job.instance.name, module=job.instance.module, parent=job.instance.parent, **results[job.key])
        for job in listed
    ]


def synthesise_parts(design: Design, meter: Meter, jobs: int | None = None, cells: Cells = Cells.XC7) -> list[Part]:
    """`synthesise_design` with ``meter`` showing how far it is; ``jobs`` by default one a core."""
    on_total, on_done = _shown(meter)
    jobs = jobs or os.cpu_count() or 1
    return synthesise_design(design, cells=cells, jobs=jobs, on_total=on_total, on_done=on_done)


def synthesise_device(device: Device, meter: Meter, jobs: int | None = None) -> list[Part]:
    """The parts of a whole device in 7-series cells, with ``meter`` and ``jobs`` as `synthesise_parts` has them."""
    on_total, on_done = _shown(meter)
    jobs, instances = jobs or os.cpu_count() or 1, _instances(device.apart)
    return synthesise_instances(instances, device.sources, jobs=jobs, on_total=on_total, on_done=on_done)


def _path_of(module: str, files: Sequence[Path]) -> Path | None:
    return next((path for path in files if path.stem == module), None)


def _instances(apart: Mapping[str, Path | None]) -> list[Instance]:
    """Those in the modules ``apart`` (module -> file, None where there is none), but for these modules themselves."""
    found = [each for parent, path in apart.items() if path for each in read_instances(path.read_text(), parent)]
    return [each for each in found if each.module not in apart]


def _shown(meter: Meter) -> tuple[Callable[[int], None], Callable[[int], None]]:
    """``on_total`` and ``on_done`` that move ``meter``."""
    show: list[Callable[[int], None]] = []
    return lambda count: show.append(meter("different instances through Yosys", count)), lambda done: show[0](done)


def synthesise_flat(design: Design) -> Utilization:
    """The whole top in one run: for small designs, to compare with the sum over its instances."""
    design.check_sources()
    cells = asyncio.run(synthesise_beside_others(TOP_MODULE, design.rtl_files))
    return utilization(cells)


def _shell_files(design: Design) -> list[Path]:
    """The shell's sources; none where the build has no shell yet."""
    if not (design.build_dir / shell.FOLDER / shell.RECORD).is_file():
        return []
    made = shell.Shell.load(design.build_dir)
    made.check_sources(design.build_dir)
    return made.files(design.build_dir)


def _job(instance: Instance, files: Sequence[Path], cells: Cells) -> _Job:
    in_ultra = instance.module == ULTRA_EDGE or instance.parameters.get("RAM_STYLE") == f'"{ULTRA}"'
    if in_ultra and cells is Cells.XC7:
        instance = replace(instance, parameters={**instance.parameters, "RAM_STYLE": '"block"'})
    sources = sources_of(instance.module, files)
    parts = [
        *([cells] if cells is not Cells.XC7 else []),
        yosys_version(),
        instance.module,
        sorted(instance.parameters.items()),
        [(path.name, hash_file(path)) for path in sources],
    ]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
    return _Job(key, instance, tuple(sources), cells)


async def _run_all(unique: list[_Job], jobs: int, on_done: Callable[[int], None]) -> dict[str, dict]:
    slots = asyncio.Semaphore(jobs)
    finished: Counter[str] = Counter()

    async def run(job: _Job) -> tuple[str, dict]:
        async with slots:
            result = await _cached(job)
        finished["all"] += 1
        on_done(finished["all"])
        return job.key, result

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run(job)) for job in unique]
    return dict(task.result() for task in tasks)


@record
class _Result:
    """What one synthesis gave, as it is kept; ``ended``: somebody ended it, so that it says nothing of the module."""

    cells: dict[str, int] | None
    refusal: str | None
    ended: bool
    netlist_sha256: str | None = None

    def fits(self, netlist: Path) -> bool:
        """Whether the netlist is there, and the one that was counted."""
        return self.cells is None or (netlist.is_file() and hash_file(netlist) == self.netlist_sha256)


async def _cached(job: _Job) -> dict:
    folder = cache_root() / "synth"
    path, netlist = folder / f"{job.key}.json", folder / f"part_{job.key}{RTLIL_SUFFIX}"
    try:
        result = load_record(_Result, path)
        cached = result.fits(netlist)
    except (OSError, ValueError):
        cached = False
    if not cached:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="partial-", dir=folder) as work:
                partial = Path(work, netlist.name)
                result = await _fresh(job, partial)
                if result.cells is not None:
                    partial.replace(netlist)
            if not result.ended:
                write_atomically(path, json.dumps(asdict(result)).encode())
        except OSError as error:
            raise BuildError(
                f"cache folder {folder} cannot be written ({error.strerror}): set EDGESEG_CACHE"
            ) from error
    if result.cells is None:
        return {"used": None, "refusal": result.refusal, "cached": cached}
    return {"used": utilization(result.cells), "refusal": None, "netlist": netlist, "cached": cached}


async def _fresh(job: _Job, netlist: Path) -> _Result:
    try:
        cells = await synthesise_beside_others(
            job.instance.module,
            job.sources,
            job.instance.parameters,
            netlist=netlist,
            limit_seconds=LIMIT_SECONDS,
            cells=job.cells,
        )
    except SynthesisError as error:
        return _Result(cells=None, refusal=str(error), ended=isinstance(error, SynthesisEndedError))
    return _Result(cells=cells, refusal=None, ended=False, netlist_sha256=hash_file(netlist))
