"""Which trials of a study count."""

from __future__ import annotations

import optuna
from optuna.trial import FrozenTrial, TrialState


def measured(study: optuna.Study) -> list[FrozenTrial]:
    """Those that have scores."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def taken(study: optuna.Study) -> list[FrozenTrial]:
    """Those whose widths need no second measurement: measured, or being so."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.RUNNING))
