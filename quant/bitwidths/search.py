"""A width for each layer under a budget of memory, by Optuna; every trial's IoU is measured, after training as it is.

NSGA-II (Deb et al., IEEE Trans. Evol. Comput. 6 (2002) 182; ``sampler.py``) raises the pooled IoU and lowers the
memory. Its first population are the draws of ``prior.py``, the greedy solution first. Widths above the budget, and
widths that the study has already, are pruned before anything is run. The study lives in an Optuna storage: processes
that share it share the work, and a later call continues.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from quant.base.errors import ConfigError
from quant.base.progress import steps_with_bar
from quant.base.seed import require_seed
from quant.bitwidths.offspring import Offspring
from quant.bitwidths.prior import Costs, draws
from quant.bitwidths.sampler import WidthSampler
from quant.bitwidths.sites import Site, Widths, total_bits
from quant.bitwidths.trials import measured, taken

if TYPE_CHECKING:
    from quant.bitwidths.subject import Subject

STUDY_FILE = "study.journal"
KBIT = 1000
_POPULATION = 10
_OPENINGS = 5
_BARREN_TRIALS = 20  # so many in a row without anything new: the search is over


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """``budget_kbit``: weights, activations on chip and the input's window, in 1000 bits. ``trials``: of the whole
    study. ``storage``: URL of a database or path of a journal file; by default a journal in the output folder.
    """

    budget_kbit: float
    trials: int = 60
    seed: int = 1
    storage: str | None = None
    study: str = "bitwidths"

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ConfigError(f"--trials must be at least 1, got {self.trials}")
        require_seed(self.seed)
        if not self.budget_kbit > 0:
            raise ConfigError(f"--budget-kbit must be above 0, got {self.budget_kbit}")


@dataclass(frozen=True)
class Found:
    """Measured widths: all sites, their memory, their scores."""

    widths: Widths
    kbit: float
    scores: dict[str, float]


@dataclass(frozen=True)
class SearchResult:
    """``pareto``: no trial has both a higher pooled IoU and less memory; fewest bits first. ``best``: its last."""

    own: Found
    greedy: Found | None
    best: Found
    pareto: list[Found]
    trials: int


def search(subject: Subject, costs: Costs, config: SearchConfig, out_dir: Path) -> SearchResult:
    """Goes on with the study until it has ``config.trials`` measured trials.

    Raises:
        ConfigError: the budget cannot be met or needs no search, or the study is of something else.
    """
    budget_bits = int(config.budget_kbit * KBIT) - subject.input_bits
    _require_budget(subject, costs, config)
    distributions: dict[str, BaseDistribution] = {
        site.key: CategoricalDistribution(sorted({site.bits, *costs[site.key]}, reverse=True))
        for site in subject.sites
        if costs.get(site.key)
    }
    study = _open_study(subject, costs, config, Path(out_dir))
    # Where a study continues, its first random numbers are spent: drawn again they would give the same children.
    seed = config.seed + len(study.get_trials(deepcopy=False))
    starts = draws(subject.sites, costs, budget_bits, np.random.default_rng(config.seed))
    study.sampler = WidthSampler(
        distributions,
        ({key: widths[key] for key in distributions} for widths in starts),
        Offspring(subject.sites, budget_bits, seed),
        population=_POPULATION,
        seed=seed,
    )
    missing = config.trials - len(measured(study))
    for _ in steps_with_bar("search", range(missing)):
        if len(measured(study)) >= config.trials:  # others work on the same study
            break
        trial = _next_trial(study, distributions, subject.sites, budget_bits)
        if trial is None:
            break
        _measure(study, trial, subject)
    return _result(study, subject, costs, budget_bits)


def _measure(study: optuna.Study, trial: optuna.Trial, subject: Subject) -> None:
    try:
        scores = subject.scores(trial.params)
        for name, value in scores.items():
            trial.set_user_attr(name, value)
        study.tell(trial, [scores["iou_pooled8"], _kbit(subject, trial.params)])
    except BaseException:
        study.tell(trial, state=TrialState.FAIL)  # an interrupted trial is nobody's: it may be drawn again
        raise


def _next_trial(
    study: optuna.Study, distributions: dict[str, BaseDistribution], sites: list[Site], budget_bits: int
) -> optuna.Trial | None:
    """A trial whose widths are new and within the budget; None where none comes any more."""
    for _ in range(_BARREN_TRIALS):
        trial = study.ask(distributions)
        others = [other.params for other in taken(study) if other.number != trial.number]
        if total_bits(sites, trial.params) <= budget_bits and trial.params not in others:
            return trial
        study.tell(trial, state=TrialState.PRUNED)
    return None


def _kbit(subject: Subject, widths: Widths) -> float:
    return (total_bits(subject.sites, widths) + subject.input_bits) / KBIT


def _require_budget(subject: Subject, costs: Costs, config: SearchConfig) -> None:
    least = {site.key: min([site.bits, *costs.get(site.key, {})]) for site in subject.sites}
    if _kbit(subject, least) > config.budget_kbit:
        raise ConfigError(
            f"--budget-kbit {config.budget_kbit:g} is below the {_kbit(subject, least):.1f} kbit of every layer at its"
            " fewest bits; raise it, or allow fewer by --bits"
        )
    if _kbit(subject, {}) <= config.budget_kbit:
        raise ConfigError(
            f"--budget-kbit {config.budget_kbit:g} is not below the {_kbit(subject, {}):.1f} kbit that the network"
            " takes as it is; give less"
        )


def _open_study(subject: Subject, costs: Costs, config: SearchConfig, out_dir: Path) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = _open_storage(config, out_dir)
    study = optuna.create_study(
        storage=storage, study_name=config.study, directions=["maximize", "minimize"], load_if_exists=True
    )
    wanted = {
        **subject.identity,
        "budget_kbit": config.budget_kbit,
        "bits": sorted({bits for by_bits in costs.values() for bits in by_bits}),
    }
    before = study.user_attrs
    for key, value in wanted.items():
        if key not in before:
            study.set_user_attr(key, value)
        elif before[key] != value:
            raise ConfigError(f"study '{config.study}' was made with another {key}; give another --study or --out")
    return study


def _open_storage(config: SearchConfig, out_dir: Path) -> BaseStorage:
    if config.storage is not None and "://" in config.storage:
        for attempt in range(_OPENINGS):
            try:
                return RDBStorage(config.storage, engine_kwargs=_patience(config.storage))
            except (SQLAlchemyError, ImportError, ValueError) as error:
                reason = str(error).splitlines()[0]
            time.sleep(0.2 * attempt)  # two processes may be making the tables at the same time: one is refused
        raise ConfigError(
            f"storage '{config.storage}' cannot be opened ({reason}); give sqlite:///FILE, another SQLAlchemy URL,"
            " or the path of a journal file"
        )
    path = out_dir / STUDY_FILE if config.storage is None else Path(config.storage)
    path.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(path)))


def _patience(url: str) -> dict[str, Any]:
    """SQLite refuses a writer that waits longer than 5 s, which many processes on one slow disk do."""
    return {"connect_args": {"timeout": 120}} if url.startswith("sqlite") else {}


def _result(study: optuna.Study, subject: Subject, costs: Costs, budget_bits: int) -> SearchResult:
    found = [_found(trial, subject) for trial in measured(study)]
    if not found:
        raise ConfigError("no widths under the budget were found; raise --budget-kbit")
    start = next(draws(subject.sites, costs, budget_bits, np.random.default_rng()))
    pareto = sorted((_found(trial, subject) for trial in study.best_trials), key=lambda found: found.kbit)
    return SearchResult(
        own=Found({site.key: site.bits for site in subject.sites}, _kbit(subject, {}), subject.own_scores),
        greedy=next((each for each in found if each.widths == start), None),
        best=pareto[-1],
        pareto=pareto,
        trials=len(found),
    )


def _found(trial: FrozenTrial, subject: Subject) -> Found:
    widths = {site.key: trial.params.get(site.key, site.bits) for site in subject.sites}
    scores = {name: trial.user_attrs[name] for name in subject.own_scores}
    return Found(widths, _kbit(subject, trial.params), scores)
