"""One design point: a lowered network at an image size and a rate, folded for the requested boards.

All figures are the kernels' models (`hw_build.folding`), nothing is synthesised. A board counts as large enough with
the share of it that a design may take (`hw_build.folding.board_share`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

import onnx
from qonnx.core.modelwrapper import ModelWrapper

from hw_build.base.errors import ConfigError
from hw_build.base.records import record
from hw_build.folding.board_share import budget_of
from hw_build.folding.config import DEFAULT_CLOCK_MHZ
from hw_build.folding.lag import fork_memory
from hw_build.folding.optimise import Budget, Plan, best_rate, plan_for
from hw_build.folding.optimum import same_foldings
from hw_build.folding.options import Network, read_network
from hw_build.lowering import set_input_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hw_build.base.board_config import Board, Family

    Networks = Mapping[Family, Network]


class Outcome(StrEnum):
    """The outcome of a point."""

    FITS = "fits"
    TOO_LARGE = "no board"
    TOO_SLOW = "too slow"  # a layer, unfolded as far as it goes


@dataclass(frozen=True, kw_only=True)
class Point:
    """A point; ``frames_per_second`` None asks for the highest rate on ``board``, which is None if a rate is given."""

    network: str
    bits: str
    side: int
    frames_per_second: float | None
    board: str | None = None

    @property
    def name(self) -> str:
        """A file name that no other point has."""
        asked = self.frames_per_second
        if asked is None:
            rate = f"max-{self.board}"
        else:
            rate = f"{asked:g}fps" if float(f"{asked:g}") == asked else f"{asked!r}fps"
        return f"{self.network}-{self.bits}-{self.side}-{rate}".replace("/", "_")


@record
class Figures:
    """A point's figures; ``boards`` can hold the design. If none can, they are those of the fewest LUTs at the rate.

    For a highest rate, only its own board is considered.

    With the outcome TOO_SLOW, ``cycles_per_frame`` is the least that the slowest layer takes, and the rest is None.
    """

    outcome: Outcome
    cycles_per_frame: int | None = None
    luts: int | None = None
    dsps: int | None = None
    bram36: int | None = None
    uram: int | None = None
    boards: tuple[str, ...] = ()

    @property
    def frames_per_second(self) -> float | None:
        """The rate at DEFAULT_CLOCK_MHZ."""
        return None if self.cycles_per_frame is None else DEFAULT_CLOCK_MHZ * 1e6 / self.cycles_per_frame


def evaluate(point: Point, lowered: bytes, boards: Sequence[Board]) -> Figures:
    """Folds the ``lowered`` network (serialised ONNX of the step `specialize`) for ``point``.

    A rate is tried on the boards in order of size, and the first that holds it determines the folding.
    """
    if point.frames_per_second is not None:
        return at_rate(lowered, (point.side, point.side), point.frames_per_second, boards)
    board = next(board for board in boards if board.name == point.board)
    return _fastest(read_sized(lowered, (point.side, point.side), [board]), board)


def require_size(point: Point, lowered: bytes) -> None:
    """ConfigError, which names the network, where it does not take images of the side of ``point``."""
    try:
        _sized(lowered, (point.side, point.side))
    except ConfigError as error:
        raise ConfigError(f"{point.network} {point.bits} at {point.side}x{point.side}: {error}") from None


def read_sized(lowered: bytes, size: tuple[int, int], boards: Sequence[Board]) -> Networks:
    """Folding options of a lowered network for images of ``size`` (H, W), on the families of ``boards``."""
    return {family: _read(lowered, size, part) for family, part in {b.ps.family: b.part for b in boards}.items()}


@lru_cache(maxsize=2)  # points of one network and size follow each other, on boards of two families
def _read(lowered: bytes, size: tuple[int, int], part: str) -> Network:
    return read_network(_sized(lowered, size), part)


def _sized(lowered: bytes, size: tuple[int, int]) -> ModelWrapper:
    return set_input_size(ModelWrapper(onnx.load_from_string(lowered)), *size)


def at_rate(lowered: bytes, size: tuple[int, int], frames_per_second: float, boards: Sequence[Board]) -> Figures:
    """The figures of a lowered network at a size (H, W) and a rate: see ``evaluate``."""
    boards, networks = _by_size(boards), read_sized(lowered, size, boards)
    target = int(DEFAULT_CLOCK_MHZ * 1e6 / frames_per_second)
    slowest = slowest_layer(networks[boards[0].ps.family])
    if slowest > target:
        return Figures(outcome=Outcome.TOO_SLOW, cycles_per_frame=slowest)
    tried: list[tuple[Family, Budget]] = []
    for board in boards:
        family, budget = board.ps.family, budget_of(board)
        if (family, budget) not in tried and (plan := plan_for(networks[family], target, budget)) is not None:
            return _figures(networks, plan, boards)
        tried.append((family, budget))
    most = max(boards, key=lambda board: budget_of(board).uram)
    return _figures(networks, _unlimited(networks[most.ps.family], target, budget_of(most).uram), boards)


def _unlimited(network: Network, target_cycles: int, uram: int) -> Plan:
    plan = plan_for(network, target_cycles, Budget(uram=uram))
    assert plan is not None, "nothing limits it"
    return plan


def _by_size(boards: Sequence[Board]) -> list[Board]:
    return sorted(boards, key=lambda board: board.resources.luts)


def slowest_layer(network: Network) -> int:
    """Cycles per frame of the slowest layer when every layer is as fast as possible."""
    return max(min(option.cycles for option in node.options) for node in network.nodes)


def _fastest(networks: Networks, board: Board) -> Figures:
    network = networks[board.ps.family]
    slowest_rate = max(max(option.cycles for option in node.options) for node in network.nodes)
    budget = budget_of(board)
    if plan_for(network, slowest_rate, budget) is None:
        return _figures(networks, _unlimited(network, slowest_rate, budget.uram), [board])
    return _figures(networks, best_rate(network, budget), [board])


def _figures(networks: Networks, plan: Plan, boards: Sequence[Board]) -> Figures:
    large_enough = tuple(board.name for board in boards if _holds(budget_of(board), networks[board.ps.family], plan))
    return Figures(
        outcome=Outcome.FITS if large_enough else Outcome.TOO_LARGE,
        cycles_per_frame=plan.cycles_per_frame,
        luts=plan.luts,
        dsps=plan.dsps,
        bram36=-(-plan.bram18 // 2),
        uram=plan.uram,
        boards=large_enough,
    )


def _holds(budget: Budget, network: Network, plan: Plan) -> bool:
    """Whether ``plan`` is within ``budget`` by ``network``, with its forks in the UltraRAM that its nodes leave."""
    choice = same_foldings(network, plan.choice)
    if choice is None or choice.uram > budget.uram:
        return False
    cycles = [option.cycles for option in choice.options]
    forks = fork_memory(network, cycles, plan.cycles_per_frame, budget.uram - choice.uram)
    bram36 = -(-(choice.bram18 + forks.bram18) // 2)
    return choice.luts + forks.luts <= budget.luts and choice.dsps <= budget.dsps and bram36 <= budget.bram36
