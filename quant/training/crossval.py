"""Cross-validation: every image is reported once, by a network whose training did not see it.

The stages of a recipe are trained once for each fold, on all images but the fold's own. Their schedule is fixed, the
weights of the last epoch are kept, and the fold's own images are evaluated only after that: they choose nothing. Each
fold has a folder of its own and continues where it was interrupted. Folds that are finished are not trained again, and
recipes that share an --out share their earlier stages.
"""

from __future__ import annotations

import csv
import io
import time
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quant.base import checkpoint as checkpoints
from quant.base.digests import digest_of
from quant.base.errors import ConfigError, DataError, TrainingError
from quant.base.pace import Pace
from quant.base.replace_file import replace_file, replace_text
from quant.base.seen_images import require_unseen
from quant.data.folds import fold_of_images, groups_of_images, require_listed_once
from quant.data.image_classes import classes_of_images
from quant.data.layouts import list_pairs
from quant.data.pairs import Samples, load_samples, require_foreground
from quant.evaluation.predict import predict_masks
from quant.scores.breakdown import ImageScores
from quant.scores.metrics import Counts
from quant.training.recipe import Stage, follow, runs_of
from quant.training.train import KEPT, fit
from quant.twin.networks import from_checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quant.data.layouts import Pair
    from quant.training.train_config import TrainConfig
    from quant.twin.config import QuantConfig

SPLITS = ("train", "val")
_FOLDS_FILE, _COLUMNS = "folds.csv", ("name", "class", "group", "fold", "content")
_NO_CLASS = "image"
_NEVER = -1  # the fold of images that are never reported
_BATCH_IMAGES = 8
_COUNTS = ("tp", "fp", "fn", "tn")
_TRAIN_LIST, _REPORTED_LIST = "train.txt", "reported.txt"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is trained for each fold. ``settings`` are of ``TrainConfig``, ``data`` among them, and go before those of
    the stages. With ``fixed_split`` there is one fold, which reports the split ``val`` and is trained on ``train``;
    with ``first_folds`` only so many of the folds are trained and report, for trials.
    ``stop_at`` and ``save_seconds``: see ``Pace``.
    """

    stages: tuple[Stage, ...]
    settings: dict[str, Any]
    out: Path
    folds: int = 5
    fold_seed: int = 1
    fixed_split: bool = False
    first_folds: int | None = None
    image_classes: Path | None = None
    save_seconds: float = 0.0
    stop_at: float | None = None
    configs: tuple[TrainConfig, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "configs", tuple(config for config, _ in runs_of(self.stages, self.settings)))
        for stage, config in zip(self.stages, self.configs, strict=True):
            if stage.name in (_TRAIN_LIST, _REPORTED_LIST):
                raise ConfigError(f"stage '{stage.name}' has the name of a fold's list of images; rename it")
            if stage.quant is not None and config.calibration != "train":
                raise ConfigError(
                    f"stage '{stage.name}' fits its ranges to the shipped images, which a fold may report; set"
                    ' calibration = "train", or give --calibration train'
                )
            if config.all_images:
                raise ConfigError(
                    f"stage '{stage.name}' sets all_images, and a fold reports images that its training must not see;"
                    " leave it out, and give `train` --all-images afterwards"
                )
            if config.crop is not None:
                raise ConfigError(
                    f"stage '{stage.name}' sees crops of a cascade; `evaluate-cascade` scores both stages"
                )
        if self.first_folds is not None and not 2 <= self.first_folds <= self.folds:
            raise ConfigError(f"first_folds is {self.first_folds}; give 2 to {self.folds}, the number of folds")
        if len({(config.classes, config.normal_cases) for config in self.configs}) > 1:
            raise ConfigError("the stages differ in classes or normal_cases; a fold reports the same masks for all")

    @property
    def result(self) -> str:
        """The name of what is reported: the last stage's."""
        return self.stages[-1].name

    @property
    def report_name(self) -> str:
        """Of the files of the report; that of the first folds is not that of all."""
        return self.result if self.first_folds is None else f"{self.result}-first-{self.first_folds}-folds"

    def folds_to_train(self) -> range:
        """Their numbers."""
        return range(1 if self.fixed_split else self.first_folds or self.folds)

    def is_finished(self) -> bool:
        """Whether every fold has reported."""
        return all(_images_file(self, fold).is_file() for fold in self.folds_to_train())

    def pace(self) -> Pace:
        """Of one stage."""
        return Pace(self.save_seconds, self.stop_at)


@dataclass(frozen=True)
class Reported:
    """What all folds together reported: of N images their names, folds (N,), classes (N,) or None, and counts."""

    names: tuple[str, ...]
    folds: np.ndarray
    classes: tuple[str, ...] | None
    scores: ImageScores


def prepare(plan: Plan) -> None:
    """Draws the folds and leaves them in ``folds.csv``.

    Raises:
        ConfigError, DataError: see ``fold_of_images``; or the folder holds other folds, or a stage begins with a
            checkpoint that saw what is reported.
    """
    lists = _pairs(plan)
    pairs = [pair for split in SPLITS for pair in lists[split]]
    names = [pair.name for pair in pairs]
    known = classes_of_images(names, plan.image_classes)
    classes = (_NO_CLASS,) * len(names) if known is None else known.classes
    samples = _read_all(plan.configs[0])
    scored = samples[range(len(lists[SPLITS[0]]), len(names))] if plan.fixed_split else samples
    beginnings = [link for stage in plan.stages for link in (stage.init_from, stage.teacher) if isinstance(link, Path)]
    require_unseen(plan.configs[0].data, scored.digests or (), beginnings, by_folds=not plan.fixed_split)
    groups = groups_of_images(names, None if known is None else known.groups, samples.codes)
    if plan.fixed_split:
        require_listed_once(names)
        folds = np.array([_NEVER] * len(lists["train"]) + [0] * len(lists["val"]))
    else:
        folds = fold_of_images(names, classes, groups, plan.folds, plan.fold_seed)
    table = io.StringIO()
    content = (f"{digest_of(pair.image, *pair.masks) % (1 << 64):016x}" for pair in pairs)
    rows = zip(names, classes, groups, folds, content, strict=True)
    csv.writer(table, lineterminator="\n").writerows([_COLUMNS, *rows])
    path = plan.out / _FOLDS_FILE
    if not path.is_file():
        replace_text(path, table.getvalue())
    elif (before := path.read_text(encoding="utf-8", errors="replace")) != table.getvalue():
        if before.startswith(",".join(_COLUMNS[:-1]) + "\n"):
            raise ConfigError(
                f"'{path}' is of a version that did not record what the images and masks are; if they are still those"
                " of then, delete it, and the same command goes on"
            )
        raise ConfigError(
            f"'{path}' holds other folds, or its images or masks were others; give the same data, --folds, --fold-seed"
            " and --image-classes, or a new --out"
        )


def run_fold(plans: Sequence[Plan], fold: int, quiet: bool = False) -> None:
    """Trains and reports ``fold`` of each of ``plans``, which may share a folder and stages, one after the other.

    Raises:
        ConfigError, DataError, CheckpointError: see their messages.
        TimeUp: ``stop_at`` of a plan has come; the next call continues.
    """
    for plan in plans:
        _run_fold(plan, fold, quiet)


def _run_fold(plan: Plan, fold: int, quiet: bool) -> None:
    """Trains all stages of ``fold``, then scores the last one's weights on the images that the fold reports.

    Stages that are finished are left alone, but must be of the same settings.

    Writes to ``fold-K/``: a folder of each stage, and the names of its images, ``train.txt`` and ``reported.txt``.
    """
    folder = plan.out / f"fold-{fold}"
    table = _read_folds(plan)
    reported_names = [row.name for row in table if row.fold == fold]
    kept_out = {row.group for row in table if row.fold == fold}
    train_names = [row.name for row in table if row.group not in kept_out]
    for name, listed in ((_TRAIN_LIST, train_names), (_REPORTED_LIST, reported_names)):
        text = "".join(f"{image}\n" for image in listed)
        replace_text(folder / name, text)

    def train_stage(config: TrainConfig, quant: QuantConfig | None, out_dir: Path, **links: Any) -> None:
        chosen = _samples_of(config, train_names)
        require_foreground(chosen, Path(config.data), f"train of fold {fold}")
        try:
            fit(config, quant, out_dir, chosen, pace=plan.pace(), quiet=quiet, **links)
        except TrainingError as error:
            raise TrainingError(f"'{out_dir}': {error}") from None

    follow(plan.stages, folder, plan.settings, train_stage)
    if _images_file(plan, fold).is_file():
        return
    config = plan.configs[-1]
    reported = _samples_of(config, reported_names)
    network = from_checkpoint(checkpoints.load(folder / plan.result / KEPT)).to(config.device)
    predictions = predict_masks(network, reported.codes, _BATCH_IMAGES, config.device)
    scores = ImageScores.of(predictions, reported.masks[:, 0].numpy(), config.classes)
    write_images(_images_file(plan, fold), reported.names, scores)


def collect(plan: Plan) -> Reported:
    """What the folds reported, images in the order of the data's lists; all folds are finished.

    Raises:
        DataError: see ``read_images``.
    """
    found: dict[str, ImageScores] = {}
    table = [row for row in _read_folds(plan) if row.fold in plan.folds_to_train()]
    for fold in plan.folds_to_train():
        names = [row.name for row in table if row.fold == fold]
        scores = read_images(_images_file(plan, fold), names, plan.configs[-1].size ** 2)
        found |= {name: scores[np.array([index])] for index, name in enumerate(names)}
    classes = tuple(row.kind for row in table)
    scores = ImageScores.joined([found[row.name] for row in table])
    return Reported(
        names=tuple(row.name for row in table),
        folds=np.array([row.fold for row in table]),
        classes=None if set(classes) == {_NO_CLASS} else classes,
        scores=scores,
    )


def stop_time(minutes: float | None) -> float | None:
    """When a call that may take ``minutes`` from now must stop: see ``Pace``."""
    if minutes is not None and not minutes > 0:  # nor is NaN
        raise ConfigError(f"--minutes must be above 0, got {minutes}")
    return None if minutes is None else time.time() + 60 * minutes


def write_images(path: Path, names: tuple[str, ...], scores: ImageScores) -> None:
    """A table of the pixel counts of each image, a row a class of masks."""

    def write(partial: Path) -> None:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("name", "mask_class", *_COUNTS))
            for index, name in enumerate(names):
                for kind, counts in enumerate(scores.classes, 1):
                    writer.writerow((name, kind, *(int(getattr(counts, column)[index]) for column in _COUNTS)))

    replace_file(path, write)


def read_images(path: Path, names: Sequence[str], pixels: int) -> ImageScores:
    """What ``write_images`` wrote of the images ``names``, of so many ``pixels`` each.

    Raises:
        DataError: the file is cut off, damaged or of other images.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        classes = max(int(row["mask_class"]) for row in rows)
        table = np.array([[int(row[column]) for column in _COUNTS] for row in rows])  # (N * classes, 4)
        listed = [(row["name"], int(row["mask_class"])) for row in rows]
    except (KeyError, TypeError, ValueError, OverflowError, csv.Error):
        listed = []
    if (
        not listed
        or listed != [(name, kind) for name in names for kind in range(1, classes + 1)]
        or not 0 <= table.min() <= table.max() <= pixels
        or np.any(table.sum(axis=1) != pixels)
    ):
        raise DataError(f"'{path}' is cut off or damaged; delete it, and the same command reports its fold again")
    return ImageScores(tuple(Counts(*table[kind::classes].T) for kind in range(classes)))


def _images_file(plan: Plan, fold: int) -> Path:
    return plan.out / f"fold-{fold}" / plan.result / "reported.csv"


def _pairs(plan: Plan) -> dict[str, list[Pair]]:
    config = plan.configs[0]
    return {split: list_pairs(Path(config.data), split, normal_cases=config.normal_cases) for split in SPLITS}


@dataclass(frozen=True)
class _Row:
    """One image in ``folds.csv``."""

    name: str
    kind: str
    group: str
    fold: int


def _read_folds(plan: Plan) -> list[_Row]:
    with (plan.out / _FOLDS_FILE).open(newline="", encoding="utf-8") as file:
        return [_Row(name, kind, group, int(fold)) for name, kind, group, fold, _ in list(csv.reader(file))[1:]]


def _samples_of(config: TrainConfig, names: list[str]) -> Samples:
    everything = _read_all(config)
    place = {name: index for index, name in enumerate(everything.names)}
    return everything[[place[name] for name in names]]


def _read_all(config: TrainConfig) -> Samples:
    return _read(config.data, config.size, config.normal_cases, config.classes, config.in_channels)


@lru_cache(maxsize=2)
def _read(data: str, size: int, normal_cases: bool, classes: int, channels: int) -> Samples:
    """Decoded once a process, for all folds and seeds."""
    read = partial(load_samples, normal_cases=normal_cases, classes=classes, channels=channels)
    return Samples.joined([read(Path(data), split, (size, size)) for split in SPLITS])
