"""Greedy widths against every combination, and draws that never leave the budget."""

import itertools

import numpy as np
import pytest

from quant.bitwidths.prior import draws, greedy
from quant.bitwidths.sites import WEIGHT, Site, total_bits

SEED = 4


def random_problem(rng, sites=6, equal=False):
    found = [Site(WEIGHT, (str(i),), 4, 100 if equal else int(rng.integers(10, 500))) for i in range(sites)]
    widths = (3,) if equal else (3, 2)
    return found, {site.key: {bits: float(rng.normal(0.01, 0.01)) for bits in widths} for site in found}


@pytest.mark.parametrize("budget", [2400, 2300, 2000, 1850])
def test_greedy_is_optimal_where_layers_are_equally_large(budget):
    sites, costs = random_problem(np.random.default_rng(SEED), equal=True)

    def lost(widths):
        return sum(max(0.0, costs[key][bits]) for key, bits in widths.items() if bits < 4)

    combinations = [dict(zip(costs, bits, strict=True)) for bits in itertools.product((4, 3), repeat=len(sites))]
    best = min(lost(widths) for widths in combinations if total_bits(sites, widths) <= budget)
    chosen = greedy(sites, {key: {3: max(0.0, cost[3])} for key, cost in costs.items()}, budget)
    assert total_bits(sites, chosen) <= budget and lost(chosen) == pytest.approx(best)


def test_greedy_raises_again_where_there_is_room():
    sites = [Site(WEIGHT, ("small",), 4, 10), Site(WEIGHT, ("large",), 4, 100)]
    costs = {"weight small": {3: 0.001}, "weight large": {3: 0.02}}  # small is lowered first, large makes up for it
    assert greedy(sites, costs, 340) == {"weight small": 4, "weight large": 3}


def test_draws_are_different_and_within_the_budget_and_begin_with_the_greedy_solution():
    rng = np.random.default_rng(SEED)
    sites, costs = random_problem(rng)
    budget = int(0.7 * total_bits(sites, {}))
    found = list(itertools.islice(draws(sites, costs, budget, rng), 20))
    assert found[0] == greedy(sites, {k: {b: max(0.0, c) for b, c in v.items()} for k, v in costs.items()}, budget)
    assert all(total_bits(sites, widths) <= budget for widths in found)
    assert len({tuple(widths.items()) for widths in found}) == len(found) > 3


def test_draws_end_where_there_is_only_one_way():
    site = Site(WEIGHT, ("only",), 4, 10)
    assert list(draws([site], {site.key: {3: 0.1}}, 30, np.random.default_rng(SEED))) == [{site.key: 3}]
