"""Chooses the network for a demand at a rate on a board, by the models' figures of lowered, untrained exports.

``quant`` is another package and runs as a process. An untrained twin has the cycles and the resources of a trained
one. Exports are kept in a folder; each is made once.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hw_build.base.errors import BuildError
from hw_build.base.export import MANIFEST_FILE, read_export
from hw_build.flow.scale.lowered import lowered_network
from hw_build.flow.scale.point import Figures, Outcome, at_rate
from hw_build.folding.board_share import BRAM_SHARE, LUT_SHARE, budget_of
from hw_build.folding.config import DEFAULT_CLOCK_MHZ

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hw_build.base.board_config import Board
    from hw_build.flow.plan.rules import Demand

_EXPORT_SIDE = 64  # of an untrained export; the lowered network takes any size
# the strongest first: wider, then more bits
NETWORKS = (("cmunext-s-hw", "w4a4"), ("cmunext-xxs-hw", "w8a8"), ("cmunext-xxs-hw", "w4a4"))


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A network of a plan at its size (H, W), with the models' figures on the requested board."""

    name: str
    size: tuple[int, int]
    figures: Figures


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A network and its bits at an image side; a cascade has two ``stages``, otherwise there is one."""

    network: str
    bits: str
    side: int
    stages: tuple[Stage, ...]

    @property
    def frames_per_second(self) -> float:
        """Rate of whole images: stages run one after the other. Loading bitstreams is not counted."""
        return DEFAULT_CLOCK_MHZ * 1e6 / sum(stage.figures.cycles_per_frame or 0 for stage in self.stages)


@dataclass
class Models:
    """Lowered networks by name and bits, exported below ``folder`` when they are asked for."""

    folder: Path
    part: str
    _lowered: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def lowered(self, network: str, bits: str) -> bytes:
        """Returns the serialised ONNX of the step ``specialize``.

        Raises:
            BuildError: ``quant`` cannot export it; the sentence is its own.
        """
        key = (network, bits)
        if key not in self._lowered:
            self._lowered[key] = lowered_network(read_export(self._export(network, bits)), self.part)
        return self._lowered[key]

    def _export(self, network: str, bits: str) -> Path:
        out = self.folder / f"{network}-{bits}"
        if not (out / MANIFEST_FILE).is_file():
            checkpoint = self.folder / f"{network}-{bits}.pt"
            named = ["--model", network, "--quant", bits, "--size", str(_EXPORT_SIDE)]
            run_quant("untrained", *named, "--out", str(checkpoint))
            run_quant("export", "--checkpoint", str(checkpoint), "--out", str(out))
        return out


def run_quant(*arguments: str) -> str:
    """Runs a command of ``quant`` and returns what it prints.

    Raises:
        BuildError: the command failed; the sentence is its own.
    """
    done = subprocess.run([sys.executable, "-m", "quant", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"`quant {arguments[0]}` ended with status {done.returncode}"]
        raise BuildError(said[-1].removeprefix("error: "))
    return done.stdout


def choose(
    demand: Demand,
    models: Models,
    board: Board,
    others: Sequence[Board],
    frames_per_second: float,
    networks: Sequence[tuple[str, str]] = NETWORKS,
) -> Choice:
    """The first choice that fits: the largest side, and at this side the strongest network.

    Raises:
        BuildError: none fits; the sentence says what is short, and which of ``others`` would hold the smallest.
    """
    for side in demand.sides:
        for network, bits in networks:
            lowered = models.lowered(network, bits)
            stages = _stages(demand, lowered, side, [board], frames_per_second)
            if all(stage.figures.outcome is Outcome.FITS for stage in stages):
                return Choice(network=network, bits=bits, side=side, stages=stages)
    large = _stages(demand, lowered, demand.sides[-1], [board, *others], frames_per_second)
    raise BuildError(_short(f"{network} {bits}", stages, large, board, frames_per_second))


def _stages(
    demand: Demand, lowered: bytes, side: int, boards: Sequence[Board], frames_per_second: float
) -> tuple[Stage, ...]:
    """The stages; those of a cascade at twice the rate each, because they run one after the other."""
    if demand.box is None:
        sizes, rate = {"network": (side, side)}, frames_per_second
    else:
        reduced = side // demand.reduction
        sizes, rate = {"first": (reduced, reduced), "second": demand.crop(side)}, 2 * frames_per_second
    return tuple(
        Stage(name=name, size=size, figures=at_rate(lowered, size, rate, boards)) for name, size in sizes.items()
    )


def _short(
    network: str, stages: Sequence[Stage], large: Sequence[Stage], board: Board, frames_per_second: float
) -> str:
    """What the smallest network lacks on ``board``; ``large``: its choice with all boards to choose from."""
    stage = next(stage for stage in stages if stage.figures.outcome is not Outcome.FITS)
    size, found, budget = "x".join(map(str, stage.size)), stage.figures, budget_of(board)
    told = f"no network fits '{board.name}' at {frames_per_second:g} frames/s: {network} at {size} "
    if found.outcome is Outcome.TOO_SLOW:
        return f"{told}has a layer of {found.cycles_per_frame:,} cycles a frame; ask for fewer --fps"
    needs = (
        ("LUTs", found.luts, budget.luts),
        ("BRAM36", found.bram36, budget.bram36),
        ("DSPs", found.dsps, budget.dsps),
        *([("UltraRAMs", found.uram, budget.uram)] if found.uram else []),
    )
    short = ", ".join(f"{need:,} {what} of {most:,}" for what, need, most in needs if (need or 0) > most)
    if not short:  # each alone would do, not all together
        short = ", ".join(f"{need:,} {what} of {most:,}" for what, need, most in needs)
    hold = [name for name in large[0].figures.boards if all(name in one.figures.boards for one in large)]
    remedy = f"take --board {' or '.join(hold)}" if hold else "no known board holds it"
    return (
        f"{told}takes {short} (a design may have {LUT_SHARE:.0%} of the LUTs and {BRAM_SHARE:.0%} of the block RAMs); "
        f"{remedy}, or ask for fewer --fps"
    )
