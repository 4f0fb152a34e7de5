"""NSGA-II for widths: its first population are given ones, and its children are made by ``offspring.py``.

Optuna leaves the trials that are enqueued out of the population, so the given widths are handed over where its first
generation would be random.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import NSGAIISampler

from quant.bitwidths.trials import measured, taken

if TYPE_CHECKING:
    from collections.abc import Iterator

    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution
    from optuna.trial import FrozenTrial

    from quant.bitwidths.offspring import Offspring
    from quant.bitwidths.sites import Widths


class WidthSampler(NSGAIISampler):
    """``starts``: the first population, in their order; those that the study has already are passed over."""

    def __init__(
        self,
        space: dict[str, CategoricalDistribution],
        starts: Iterator[Widths],
        offspring: Offspring,
        *,
        population: int,
        seed: int,
    ) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # the argument, not the algorithm
            super().__init__(population_size=population, seed=seed, child_generation_strategy=offspring)
        self._space, self._starts, self._offspring = space, starts, offspring

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All layers: known before the first trial."""
        return dict(self._space)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        child = super().sample_relative(study, trial, search_space)
        if child:
            return child
        known = [each.params for each in taken(study)]
        for widths in self._starts:
            if widths not in known:
                return widths
        parents = measured(study)
        return self._offspring(study, self._space, parents) if len(parents) > 1 else {}
