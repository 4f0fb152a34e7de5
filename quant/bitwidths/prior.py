"""Widths under a budget by the additive model: each layer loses what it lost alone, and losses add up.

The model is wrong in detail (errors of layers meet), so it does not decide: it says where a search by measurement
starts. ``draws`` begins with its greedy solution; the ones that follow see the losses through noise, so that each is
under the budget and another compromise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from quant.bitwidths.sites import Site, Widths

Costs = dict[str, dict[int, float]]  # IoU lost by key of a site and bits

# IoU added to every loss under noise: without it, layers that seem to lose nothing would never change places.
_RESOLUTION = 1e-3
_FRUITLESS_DRAWS = 50


def draws(sites: list[Site], costs: Costs, budget_bits: int, generator: np.random.Generator) -> Iterator[Widths]:
    """Different widths of all sites, none above ``budget_bits``: the greedy solution, then noisy ones, until hardly any
    new ones come. The budget must be within reach of the fewest bits in ``costs``.
    """
    lost = {key: {bits: max(0.0, loss) for bits, loss in by_bits.items()} for key, by_bits in costs.items()}
    seen: list[Widths] = []
    fruitless = 0
    while fruitless < _FRUITLESS_DRAWS:
        seen_through = lost if not seen else _noisy(lost, generator)
        widths = greedy(sites, seen_through, budget_bits)
        if widths in seen:
            fruitless += 1
            continue
        fruitless = 0
        seen.append(widths)
        yield widths


def greedy(sites: list[Site], costs: Costs, budget_bits: int) -> Widths:
    """Lowers where a saved bit costs least until all is within the budget, then raises again where there is room."""
    ladder = {site.key: {**costs.get(site.key, {}), site.bits: 0.0} for site in sites}
    codes = {site.key: site.codes for site in sites}
    widths = {site.key: site.bits for site in sites}
    total = sum(widths[key] * codes[key] for key in widths)
    while total > budget_bits:
        moves = [(key, bits) for key, now in widths.items() for bits in ladder[key] if bits < now]

        def price(move: tuple[str, int]) -> tuple[float, int]:
            key, bits = move
            saved = (widths[key] - bits) * codes[key]
            return (ladder[key][bits] - ladder[key][widths[key]]) / saved, -saved

        key, bits = min(moves, key=price)
        total -= (widths[key] - bits) * codes[key]
        widths[key] = bits
    while True:
        reliefs = [
            (ladder[key][now] - ladder[key][bits], key, bits)
            for key, now in widths.items()
            for bits in ladder[key]
            if bits > now and total + (bits - now) * codes[key] <= budget_bits
        ]
        relief, key, bits = max(reliefs, default=(0.0, "", 0))
        if relief <= 0:
            return widths
        total += (bits - widths[key]) * codes[key]
        widths[key] = bits


def _noisy(costs: Costs, generator: np.random.Generator) -> Costs:
    return {
        key: {bits: (loss + _RESOLUTION) * generator.lognormal() for bits, loss in by_bits.items()}
        for key, by_bits in costs.items()
    }
