"""Which trials of a study count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna.trial import FrozenTrial, TrialState

if TYPE_CHECKING:
    import optuna


def measured(study: optuna.Study) -> list[FrozenTrial]:
    """Those that have scores."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def taken(study: optuna.Study) -> list[FrozenTrial]:
    """Those whose widths need no second measurement: measured, or being so."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.RUNNING))
