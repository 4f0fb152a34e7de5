"""Children of two measured widths, for NSGA-II: within the budget and new before Optuna hears of them.

Left to the default operators, most children of parents near the budget lie above it, and each costs a database a write
per layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from quant.bitwidths.sites import Site, Widths, total_bits
from quant.bitwidths.trials import taken

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import FrozenTrial

_ATTEMPTS = 1000


class Offspring:
    """Uniform crossover of two random parents, then about one layer redrawn; again until the child may live."""

    def __init__(self, sites: list[Site], budget_bits: int, seed: int) -> None:
        self._sites, self._budget_bits = sites, budget_bits
        self._generator = np.random.default_rng(seed)

    def __call__(
        self, study: optuna.Study, space: dict[str, CategoricalDistribution], parents: list[FrozenTrial]
    ) -> dict[str, Any]:
        known = [trial.params for trial in taken(study)]
        for _ in range(_ATTEMPTS):
            child = self._child(space, parents)
            if total_bits(self._sites, child) <= self._budget_bits and child not in known:
                break
        return child

    def _child(self, space: dict[str, CategoricalDistribution], parents: list[FrozenTrial]) -> Widths:
        pair = [parents[index].params for index in self._generator.choice(len(parents), 2, replace=False)]
        child = {}
        for key, distribution in space.items():
            child[key] = pair[self._generator.integers(2)][key]
            if self._generator.random() < 1 / len(space):
                child[key] = distribution.choices[self._generator.integers(len(distribution.choices))]
        return child
