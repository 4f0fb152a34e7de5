"""The folding of a whole network: fewest LUTs at a rate, or the best rate within LUTs, DSPs, block RAMs and latency.

A faster lower half of a U-shaped network costs LUTs and saves memory, since skips hold the lag of what lies below them
(`hw_build.folding.lag`), and time, since the decoder waits until the lowest level is flushed. So many policies are
tried (`hw_build.folding.policies`), each solved to its optimum (`hw_build.folding.optimum`) unless a bound shows that
it cannot beat the best so far. The memory of the forks is taken off the block RAMs before, for nodes as slow as the
policy lets them be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError
from hw_build.folding.lag import fork_memory, latency
from hw_build.folding.optimum import Choice, fewest_luts, fewest_luts_bound
from hw_build.folding.options import Network, refuse_slower_output, slower_node
from hw_build.folding.policies import Policy, for_latency, for_memory, limits_of_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

UNLIMITED = 1 << 40
OUTPUT_STAGE = "output stage"  # among the bottlenecks


@dataclass(frozen=True, kw_only=True)
class Budget:
    """At most so much; ``bram36`` counts two RAMB18 as one, ``uram`` UltraRAMs hold forks, then rows of nodes.
    ``latency_frames``: from the first pixel of a frame to its last result, in frame periods, where frames follow each
    other at the design's own rate.
    """

    luts: int = UNLIMITED
    dsps: int = UNLIMITED
    bram36: int = UNLIMITED
    uram: int = 0
    latency_frames: float = inf


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A folding of the whole network by the models. ``cycles_per_frame`` are those of the slowest node, the output
    stage among them.

    ``luts`` and ``bram18`` include what forks hold (``fork_bram18``), but for what lies in the ``uram`` UltraRAMs;
    ``latency_cycles`` are those from the first pixel of a frame to its last result at that rate; ``policy`` is the one
    that won.
    """

    choice: Choice
    cycles_per_frame: int
    bottlenecks: tuple[str, ...]
    luts: int
    bram18: int
    dsps: int
    fork_bram18: int
    uram: int
    latency_cycles: int
    policy: Policy


def plan_for(network: Network, target_cycles: int, budget: Budget) -> Plan | None:
    """The fewest LUTs at no more than ``target_cycles`` a frame; None where the budget does not suffice."""
    policies: Iterable[Policy]
    if budget.latency_frames == inf:
        policies = for_memory(network)
    else:
        policies = for_latency(network, target_cycles, budget.latency_frames, budget.uram)
    tasks = sorted(
        (task for policy in policies if (task := _bounded(network, target_cycles, budget, policy)) is not None),
        key=lambda task: task.least_luts,
    )
    best: Plan | None = None
    for task in tasks:
        if best is not None and task.least_luts > best.luts:
            break
        plan = _solved(network, budget, task)
        if plan is not None and (best is None or (plan.luts, plan.bram18) < (best.luts, best.bram18)):
            best = plan
    return best


def best_rate(network: Network, budget: Budget, progress: Callable[[int], None] = lambda step: None) -> Plan:
    """The fewest cycles a frame within ``budget``, and at these the fewest LUTs.

    Raises:
        ConfigError: the budget is too small for the slowest folding.
    """
    fastest = _fastest(network)
    slower = {option.cycles for node in network.nodes for option in node.options if option.cycles > fastest}
    rates = sorted({fastest, *slower})
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
            raise slower_node(node.name, fastest.cycles, fastest.folding, target_cycles)
    refuse_slower_output(network.output_cycles, target_cycles)
    plan = plan_for(network, target_cycles, budget)
    if plan is None:
        asked = sum(min(option.uram for option in node.options) for node in network.nodes)  # by fixed foldings
        free = plan_for(network, target_cycles, Budget(uram=max(budget.uram, asked)))
        assert free is not None, "without limits every rate that the nodes reach has a plan"
        beside = f" beside {free.uram} UltraRAMs" if free.uram else ""
        raise ConfigError(
            f"no folding of {target_cycles:,} cycles a frame fits {_limits(budget)}; the smallest without limits takes "
            f"{free.luts:,} LUTs, {free.dsps} DSPs and {-(-free.bram18 // 2)} BRAM36{beside}: allow more, or a lower "
            "rate"
        )
    return plan


def next_step(network: Network, plan: Plan, budget: Budget) -> tuple[Plan, bool] | None:
    """The next faster folding, and whether it is within ``budget``.

    Where none is, LUTs are free, then DSPs and block RAMs, then latency. None where a node cannot go faster.
    """
    fastest = _fastest(network)
    rates = [o.cycles for node in network.nodes for o in node.options if fastest <= o.cycles < plan.cycles_per_frame]
    if not rates:
        return None
    free = Budget(uram=budget.uram)
    for most in (budget, replace(budget, luts=UNLIMITED), replace(free, latency_frames=budget.latency_frames), free):
        if (following := plan_for(network, max(rates), most)) is not None:
            return following, most == budget
    return None


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A policy with what it lets each node take, the RAMs left for nodes, and a bound of its LUTs."""

    policy: Policy
    limits: list[int]
    bram18: int
    uram: int
    least_luts: float


def _bounded(network: Network, target_cycles: int, budget: Budget, policy: Policy) -> _Task | None:
    """None where the policy cannot be within ``budget``."""
    limits = limits_of_nodes(network, target_cycles, policy)
    forks = fork_memory(network, limits, target_cycles, budget.uram)
    left, uram = 2 * budget.bram36 - forks.bram18, budget.uram - forks.uram
    if left < 0:
        return None
    least = fewest_luts_bound(network, limits, bram18=left, dsps=budget.dsps, uram=uram)
    if least > budget.luts:
        return None
    return _Task(policy=policy, limits=limits, bram18=left, uram=uram, least_luts=least)


def _solved(network: Network, budget: Budget, task: _Task) -> Plan | None:
    bram18 = task.bram18
    while True:
        choice = fewest_luts(network, task.limits, bram18=bram18, dsps=budget.dsps, uram=task.uram)
        if choice is None:
            return None
        cycles = [option.cycles for option in choice.options]
        forks = fork_memory(network, cycles, max(*cycles, network.output_cycles), budget.uram - choice.uram)
        over = choice.bram18 + forks.bram18 - 2 * budget.bram36
        if over <= 0:
            break
        bram18 = choice.bram18 - over  # nodes faster than the policy lets them be may leave forks more to hold
    slowest = max(*cycles, network.output_cycles)
    luts, waited = choice.luts + forks.luts, latency(network, cycles, slowest)
    if luts > budget.luts or waited > budget.latency_frames * slowest:
        return None
    named = tuple(node.name for node, each in zip(network.nodes, cycles, strict=True) if each == slowest)
    return Plan(
        choice=choice,
        cycles_per_frame=slowest,
        bottlenecks=named or (OUTPUT_STAGE,),
        luts=luts,
        bram18=choice.bram18 + forks.bram18,
        dsps=choice.dsps,
        fork_bram18=forks.bram18,
        uram=choice.uram + forks.uram,
        latency_cycles=round(waited),
        policy=task.policy,
    )


def _fastest(network: Network) -> int:
    """Cycles a frame that no folding is below."""
    nodes = (min(option.cycles for option in node.options) for node in network.nodes)
    return max(*nodes, network.output_cycles)


def _limits(budget: Budget) -> str:
    named = (("LUTs", budget.luts), ("DSPs", budget.dsps), ("BRAM36", budget.bram36))
    limits = [f"{most:,} {what}" for what, most in named if most != UNLIMITED]
    limits += [f"{budget.uram} UltraRAMs"] if budget.uram else []
    if budget.latency_frames != inf:
        limits.append(f"a latency of {budget.latency_frames:g} frame periods")
    return ", ".join(limits) or "the models"
