"""The command ``netlist``: the device netlist of a finished build, simulated with the job that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError
from hw_build.base.progress import BuildProgress, tell
from hw_build.base.step_engine import locked_build
from hw_build.flow.netlist_step import check_device, jobs_of
from hw_build.implement.netlist.simulation import Job

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hw_build.base.export import Export


def run_netlist(
    build_dir: Path, exports: Sequence[Export], *, frames: int | None, mask: bool, stall: float, seed: int
) -> int:
    """Makes the netlist of a build that has reached its shell, unless it exists, and compares it with the golden data.

    ``exports``: that of the build, or of a joint one that of each accelerator. Without ``frames``, the jobs are those
    of `build --netlist`; otherwise it is one job of so many frames.
    """
    if not 0 <= stall < 1:
        raise ConfigError(f"--stall is a probability and must be at least 0 and below 1, got {stall}")
    if frames is not None and frames < 1:
        raise ConfigError(f"--frames must be at least 1, got {frames}")
    if frames is None and (mask or stall):
        raise ConfigError("--mask and --stall describe one job: give --frames, too")
    jobs = jobs_of(exports) if frames is None else [Job(frames=frames, mask=mask, stall=stall, seed=seed)]
    with locked_build(build_dir), BuildProgress("netlist") as progress:
        record, line = check_device(build_dir, exports, jobs, progress.meter)
    used = ", ".join(f"{count:,} {what}" for what, count in record.used.items())
    tell(f"exact, against {line['against']}, in {line['seconds']:.0f} s; it takes {used}")
    return 0
