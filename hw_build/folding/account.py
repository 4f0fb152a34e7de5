"""The optimiser's account of a folding: what it expects by the models, what limits it, what the next step costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hw_build.folding.optimise import Plan


def account(plan: Plan, following: Plan | None) -> dict[str, Any]:
    """``plan`` in figures, and the difference to the next faster one."""
    described = {
        "cycles_per_frame": plan.cycles_per_frame,
        "luts": plan.luts,
        "bram18": plan.bram18,
        "dsps": plan.dsps,
        "fork_bram18": plan.fork_bram18,
        "shares": list(plan.shares),
        "bottlenecks": list(plan.bottlenecks),
    }
    if following is not None:
        described["next_step"] = {
            "cycles_per_frame": following.cycles_per_frame,
            "more_luts": following.luts - plan.luts,
            "more_bram18": following.bram18 - plan.bram18,
            "more_dsps": following.dsps - plan.dsps,
        }
    return described


def tell_account(figures: dict[str, Any]) -> str:
    """The account in sentences."""
    nodes, following = figures["bottlenecks"], figures.get("next_step")
    more = f" and {len(nodes) - 3} more" if len(nodes) > 3 else ""
    text = (
        f"{figures['cycles_per_frame']:,} cycles a frame, by the models {figures['luts']:,} LUTs, "
        f"{figures['dsps']} DSPs, {-(-figures['bram18'] // 2)} BRAM36 (forks hold {-(-figures['fork_bram18'] // 2)}); "
        f"slowest: {', '.join(nodes[:3])}{more}; "
    )
    if following is None:
        return text + "no node can go faster"
    return text + (
        f"the next step, {following['cycles_per_frame']:,} cycles, would take {following['more_luts']:+,} LUTs, "
        f"{following['more_dsps']:+} DSPs, {following['more_bram18']:+} BRAM18"
    )
