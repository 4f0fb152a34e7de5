"""The folding of a whole network: fewest LUTs at a rate, or the best rate within LUTs, DSPs and block RAMs.

A faster lower half of a U-shaped network costs LUTs and saves memory, since skips hold the lag of what lies below them
(`hw_build.folding.lag`). So many policies are tried, each solved to its optimum (`hw_build.folding.optimum`): a policy
gives each level of a quarter, a sixteenth, ... of the pixels the whole frame time, half, a quarter or an eighth of it,
a lower level never more than the one above. The memory of the forks is taken off the block RAMs before, for nodes as
slow as the policy lets them be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations_with_replacement

from hw_build.errors import ConfigError
from hw_build.folding.lag import fork_memory
from hw_build.folding.optimum import Choice, fewest_luts
from hw_build.folding.options import Network

SHARES = (1.0, 0.5, 0.25, 0.125)  # of the frame time that a level may take
MAX_LEVELS = 4  # below the first; deeper ones share the last one's
UNLIMITED = 1 << 40


@dataclass(frozen=True, kw_only=True)
class Budget:
    """At most so much; ``bram36`` counts two RAMB18 as one."""

    luts: int = UNLIMITED
    dsps: int = UNLIMITED
    bram36: int = UNLIMITED


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A folding of the whole network by the models. ``cycles_per_frame`` are those of the slowest node.

    ``luts`` and ``bram18`` include what forks hold (``fork_bram18``); ``shares`` of the frame time, one for each level
    below the first, are the policy that won.
    """

    choice: Choice
    cycles_per_frame: int
    bottlenecks: tuple[str, ...]
    luts: int
    bram18: int
    dsps: int
    fork_bram18: int
    shares: tuple[float, ...]


def plan_for(network: Network, target_cycles: int, budget: Budget) -> Plan | None:
    """The fewest LUTs at no more than ``target_cycles`` a frame; None where the budget does not suffice."""
    policies = combinations_with_replacement(SHARES, min(max(_levels(network)), MAX_LEVELS))
    found = [plan for shares in policies if (plan := _with_policy(network, target_cycles, budget, shares)) is not None]
    return min(found, key=lambda plan: (plan.luts, plan.bram18), default=None)


def best_rate(network: Network, budget: Budget, progress: Callable[[int], None] = lambda step: None) -> Plan:
    """The fewest cycles a frame within ``budget``, and at these the fewest LUTs.

    Raises:
        ConfigError: the budget is too small for the slowest folding.
    """
    fastest = max(min(option.cycles for option in node.options) for node in network.nodes)
    rates = sorted({option.cycles for node in network.nodes for option in node.options if option.cycles >= fastest})
    low, high, best = 0, len(rates) - 1, plan_for(network, rates[-1], budget)
    if best is None:
        raise ConfigError(
            f"no folding fits {_limits(budget)}, not even at {rates[-1]:,} cycles a frame: allow more, or shrink the "
            "network"
        )
    while low < high:  # rates[high] fits
        progress(high - low)
        middle = (low + high) // 2
        plan = plan_for(network, rates[middle], budget)
        if plan is None:
            low = middle + 1
        else:
            high, best = middle, plan
    return best


def at_rate(network: Network, target_cycles: int, budget: Budget) -> Plan:
    """`plan_for`, or the reason why there is none.

    Raises:
        ConfigError: a node is too slow however it is folded, or the budget is too small.
    """
    for node in network.nodes:
        fastest = min(node.options, key=lambda option: option.cycles)
        if fastest.cycles > target_cycles:
            how = ", ".join(f"{key}={value}" for key, value in fastest.folding.items())
            raise ConfigError(
                f"node {node.name} takes {fastest.cycles} cycles a frame even fully unfolded ({how}), more than the "
                f"target of {target_cycles}: raise the target or make the layer smaller"
            )
    plan = plan_for(network, target_cycles, budget)
    if plan is None:
        free = plan_for(network, target_cycles, Budget())
        raise ConfigError(
            f"no folding of {target_cycles:,} cycles a frame fits {_limits(budget)}; the smallest without limits takes "
            f"{free.luts:,} LUTs, {free.dsps} DSPs and {-(-free.bram18 // 2)} BRAM36: allow more, or a lower rate"
        )
    return plan


def next_step(network: Network, plan: Plan) -> Plan | None:
    """The next faster folding, whatever it costs; None where a node cannot go faster."""
    fastest = max(min(option.cycles for option in node.options) for node in network.nodes)
    rates = [o.cycles for node in network.nodes for o in node.options if fastest <= o.cycles < plan.cycles_per_frame]
    return plan_for(network, max(rates), Budget()) if rates else None


def _with_policy(network: Network, target_cycles: int, budget: Budget, shares: tuple[float, ...]) -> Plan | None:
    limits = _limits_of_nodes(network, target_cycles, shares)
    fork_bram18, _ = fork_memory(network, limits, target_cycles)
    if fork_bram18 > 2 * budget.bram36:
        return None
    choice = fewest_luts(network, limits, bram18=2 * budget.bram36 - fork_bram18, dsps=budget.dsps)
    if choice is None:
        return None
    cycles = [option.cycles for option in choice.options]
    fork_bram18, fork_luts = fork_memory(network, cycles, max(cycles))
    luts = choice.luts + fork_luts
    if luts > budget.luts:
        return None
    return Plan(
        choice=choice,
        cycles_per_frame=max(cycles),
        bottlenecks=tuple(node.name for node, each in zip(network.nodes, cycles, strict=True) if each == max(cycles)),
        luts=luts,
        bram18=choice.bram18 + fork_bram18,
        dsps=choice.dsps,
        fork_bram18=fork_bram18,
        shares=shares,
    )


def _levels(network: Network) -> list[int]:
    """How often the image was halved before each node's output."""
    height = network.nodes[0].in_shape[0]
    return [max(height // node.out_shape[0], 1).bit_length() - 1 for node in network.nodes]


def _limits_of_nodes(network: Network, target_cycles: int, shares: tuple[float, ...]) -> list[int]:
    """Cycles that each node may take; a node that cannot be as fast as the policy wants takes what it needs."""
    of_level = (1.0, *shares)
    limits = []
    for node, level in zip(network.nodes, _levels(network), strict=True):
        wanted = int(of_level[min(level, len(shares))] * target_cycles)
        limits.append(min(max(wanted, min(option.cycles for option in node.options)), target_cycles))
    return limits


def _limits(budget: Budget) -> str:
    named = (("LUTs", budget.luts), ("DSPs", budget.dsps), ("BRAM36", budget.bram36))
    return ", ".join(f"{most:,} {what}" for what, most in named if most != UNLIMITED) or "the models"
