"""The optimiser's account of a folding: what it expects by the models, what limits it, what the next step costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.records import record

if TYPE_CHECKING:
    from hw_build.folding.optimise import Plan


@record
class NextStep:
    """The next faster folding: its cycles, what it takes beyond the chosen one, and whether the limits hold it."""

    cycles_per_frame: int
    more_luts: int
    more_bram18: int
    more_dsps: int
    within_limits: bool


@record
class Account:
    """A folding by the models; ``fork_bram18`` are those of ``bram18`` in FIFOs behind forks, ``uram`` the UltraRAMs
    that hold others of these and rows of nodes.

    ``shares`` and ``decoder_share`` are its policy (`hw_build.folding.policies`); ``bottlenecks`` name the slowest
    nodes; ``next_step`` is None where no node can go faster.
    """

    cycles_per_frame: int
    luts: int
    bram18: int
    dsps: int
    fork_bram18: int
    latency_cycles: int
    shares: list[float]
    decoder_share: float
    bottlenecks: list[str]
    next_step: NextStep | None = None
    uram: int = 0


def account(plan: Plan, following: tuple[Plan, bool] | None) -> Account:
    """``plan`` in figures, and the difference to the ``following`` one: the next faster, and whether it fits."""
    step = None
    if following is not None:
        faster, within = following
        step = NextStep(
            cycles_per_frame=faster.cycles_per_frame,
            more_luts=faster.luts - plan.luts,
            more_bram18=faster.bram18 - plan.bram18,
            more_dsps=faster.dsps - plan.dsps,
            within_limits=within,
        )
    return Account(
        cycles_per_frame=plan.cycles_per_frame,
        luts=plan.luts,
        bram18=plan.bram18,
        dsps=plan.dsps,
        fork_bram18=plan.fork_bram18,
        latency_cycles=plan.latency_cycles,
        shares=list(plan.policy.levels),
        decoder_share=plan.policy.decoder,
        bottlenecks=list(plan.bottlenecks),
        next_step=step,
        uram=plan.uram,
    )


def tell_account(figures: Account) -> str:
    """The account in sentences."""
    nodes, following = figures.bottlenecks, figures.next_step
    more = f" and {len(nodes) - 3} more" if len(nodes) > 3 else ""
    text = (
        f"{figures.cycles_per_frame:,} cycles a frame, by the models {figures.luts:,} LUTs, "
        f"{figures.dsps} DSPs, {-(-figures.bram18 // 2)} BRAM36 (forks hold {-(-figures.fork_bram18 // 2)}), "
        f"{f'{figures.uram} UltraRAMs, ' if figures.uram else ''}"
        f"latency {figures.latency_cycles / figures.cycles_per_frame:.2f} frame periods; "
        f"slowest: {', '.join(nodes[:3])}{more}; "
    )
    if following is None:
        return text + "no node can go faster"
    return text + (
        f"the next step, {following.cycles_per_frame:,} cycles, would take {following.more_luts:+,} LUTs, "
        f"{following.more_dsps:+} DSPs, {following.more_bram18:+} BRAM18"
        f"{'' if following.within_limits else ', beyond the limits'}"
    )
