"""The command ``simulate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError
from hw_build.base.progress import BuildProgress, tell
from hw_build.base.step_engine import locked_build
from hw_build.flow.accelerator_steps import simulate_and_compare
from hw_build.implement.shell.joint import refuse_joint
from hw_build.stitch import Design

if TYPE_CHECKING:
    from pathlib import Path

    from hw_build.base.export import Export

LONGEST_PACE = 100_000_000  # cycles a frame: one a second at 100 MHz


def run_simulate(
    build_dir: Path, export: Export, *, frames: int, idle: float, stall: float, seed: int, pace: int | None
) -> int:
    """Streams ``frames`` golden images through a built accelerator; if there are fewer, the list is repeated.

    ``pace``: cycles from one frame's first pixel to the next one's at the source; None: as fast as they are accepted.
    """
    refuse_joint(build_dir, "simulate")
    for name, value in (("--idle", idle), ("--stall", stall)):
        if not 0 <= value < 1:
            raise ConfigError(f"{name} is a probability and must be at least 0 and below 1, got {value}")
    for name, count in (("--frames", frames), ("--pace", pace)):
        if count is not None and count < 1:
            raise ConfigError(f"{name} must be at least 1, got {count}")
    if pace is not None and pace > LONGEST_PACE:
        raise ConfigError(f"--pace must be at most {LONGEST_PACE} cycles, a frame a second at 100 MHz, got {pace}")
    with locked_build(build_dir), BuildProgress("simulate") as progress:
        Design.load(build_dir).check_model(export.model, export.model_sha256)
        run, line = simulate_and_compare(
            build_dir, *export.frames(frames), progress.meter, idle=idle, stall=stall, seed=seed,
            source_cycles_per_frame=pace,
        )  # fmt: skip
    interval = "" if run.cycles_per_frame is None else f", {run.cycles_per_frame:,} cycles per frame"
    tell(
        f"exact, against {line['against']}{interval}; the last frame is out {run.latency(-1):,} cycles after its first "
        f"pixel came in, {run.flush(-1):,} after its last; simulated at {run.khz:.0f} kHz"
    )
    return 0
