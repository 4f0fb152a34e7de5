"""Training of a float network or its quantized twin: 0.5 BCE + Dice (or BCE), Adam, flips and quarter turns.

The schedule is fixed before it starts or follows the training loss, and the last epoch's weights, averaged where
``ema`` says so, are what is kept: no score chooses them. Each epoch draws from a generator seeded by (seed, epoch), and
``last.pt`` holds everything else, so a run that is interrupted and resumed ends with the weights of an uninterrupted
one. Of a quantized network what is kept has its thresholds settled, so it can be exported. Under ``torchrun`` the
processes train one network together; the first of them writes the files, so --out is a folder that the others can read.
"""

from __future__ import annotations

import csv
import math
import sys
from contextlib import nullcontext
from dataclasses import asdict, fields, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

import models
from quant.base import checkpoint as checkpoints
from quant.base.device import computes_in_bfloat16
from quant.base.digests import digest_of, digest_of_weights
from quant.base.errors import CheckpointError, ConfigError, TrainingError
from quant.base.freed_memory import keep_freed_memory
from quant.base.note import note
from quant.base.pace import Pace
from quant.base.replace_file import replace_file
from quant.base.seen_images import Seen, require_unseen
from quant.base.sole_writer import sole_writer
from quant.data.crops import crops
from quant.data.layouts import list_pairs
from quant.data.pairs import Samples, load_samples, require_foreground
from quant.training.beginning import is_spoken, new_network, teacher_of
from quant.training.epoch_batches import require_batches
from quant.training.find_rate import find_rate
from quant.training.learner import Learner
from quant.training.ranks import join
from quant.training.train_config import TrainConfig
from quant.twin.config import QuantConfig
from quant.twin.networks import (
    require_size,
    start_from,
)
from quant.volumes.slab_images import require_neighbours, seen_whole
from quant.volumes.soft_targets import soft_targets

if TYPE_CHECKING:
    from collections.abc import Iterable

KEPT, TEACHER_LOGITS = "weights.pt", "teacher"
LAST, _LOG = "last.pt", "log.csv"
_LOGGED_SCORES = ("iou_pooled8", "iou", "f1", "precision", "recall", "aac")


def train(
    config: TrainConfig,
    quant: QuantConfig | None,
    out_dir: Path,
    *,
    init_from: Path | None = None,
    teacher: Path | None = None,
    teacher_logits: Path | None = None,
    resume: bool = False,
) -> dict[str, Any] | None:
    """Trains on the split ``train`` of the data and returns the scores of what is kept on its split ``val``; with
    ``config.all_images`` on both, and returns None.

    Writes to ``out_dir`` after each epoch: ``log.csv``, ``last.pt`` (to go on from) and ``weights.pt`` (what is kept,
    if this epoch is the last), in this order: the last can be made from the second. ``teacher`` is a checkpoint whose
    prediction the network is drawn to, with the weight ``config.distill``; one for volumes, whose slices the images are
    then, speaks before the first epoch, and its logits are kept in ``teacher_logits`` (default: ``out_dir/teacher``).

    Raises:
        ConfigError, DataError, CheckpointError: see their messages.
    """
    size, shape = (config.size, config.size), {"classes": config.classes, "channels": config.in_channels}
    require_accepted(config)
    train_samples, val_samples = (
        load_samples(config.data, split, size, normal_cases=config.normal_cases, **shape) for split in ("train", "val")
    )
    lists = {"train": train_samples, "val": val_samples}
    if config.all_images:
        lists = {"train and val": Samples.joined([train_samples, val_samples])}
    for split, samples in lists.items():
        require_foreground(samples, config.data, split)
    require_unseen_links(config, (None if resume else init_from, teacher))
    _note_shared(config, train_samples, val_samples)
    links = {"init_from": init_from, "teacher": teacher, "teacher_logits": teacher_logits}
    return fit(config, quant, out_dir, *lists.values(), **links, resume=resume)


def require_unseen_links(config: TrainConfig, beginnings: Iterable[Path | None]) -> None:
    """ConfigError where one of ``beginnings`` saw images of ``val`` that the training itself does not see."""
    links = [path for path in beginnings if path is not None]
    if config.all_images or not links:
        return
    listed = partial(list_pairs, Path(config.data), normal_cases=config.normal_cases)
    learned, scored = ([digest_of(pair.image) for pair in listed(split)] for split in ("train", "val"))
    known = set(learned)
    require_unseen(config.data, [digest for digest in scored if digest not in known], links, by_folds=False)


def _note_shared(config: TrainConfig, train_samples: Samples, val_samples: Samples) -> None:
    """A sentence on stderr where the lists share images: what that does to scores, or to a training on both."""
    learned, scored = set(train_samples.digests or ()), val_samples.digests or ()
    shared = sum(digest in learned for digest in scored)
    follows = "each epoch sees them twice" if config.all_images else "their scores say nothing of others"
    if shared:
        print(
            f"note: {shared} of the {len(scored)} images of `val` of '{config.data}' are in `train`, too: {follows}",
            file=sys.stderr,
        )


def require_accepted(config: TrainConfig) -> None:
    """ConfigError unless the network takes images of the size that ``config`` gives, with the channels of its data."""
    require_neighbours(Path(config.data), config.in_channels)
    _require_accepted(config.model, config.classes, config.in_channels, config.image_size)


@cache
def _require_accepted(model: str, classes: int, channels: int, size: tuple[int, int]) -> None:
    require_size(models.build(model, classes, channels), model, size, channels)


def fit(
    config: TrainConfig,
    quant: QuantConfig | None,
    out_dir: Path,
    train_samples: Samples,
    val_samples: Samples | None = None,
    *,
    init_from: Path | None = None,
    teacher: Path | None = None,
    teacher_logits: Path | None = None,
    resume: bool = False,
    pace: Pace | None = None,
    quiet: bool = False,
) -> dict[str, Any] | None:
    """As ``train``, on samples in memory; ``val_samples`` are scored after each epoch and change nothing.

    Without them there are no scores, and ``weights.pt`` is written after the last epoch only. ``pace`` says when
    ``last.pt`` is written and when to stop; ``quiet`` leaves out the progress bar.

    Raises:
        ConfigError, CheckpointError: see their messages.
        TrainingError: the loss of an epoch is no number; what the epochs before it left is kept.
        TimeUp: ``pace`` allows no further epoch.
    """
    if config.copy_paste and len(train_samples) == 1:
        raise ConfigError("--copy-paste pastes lesions of other images, there is one image to train on; leave it out")
    out_dir, fabric, pace = Path(out_dir), join(config.device), pace or Pace()
    if config.crop is not None and val_samples is not None:
        val_samples = crops(val_samples, config.crop)
    links = {"init_from": init_from, "teacher": teacher}
    run = {
        **asdict(config),
        "data": Path(config.data).resolve().name,
        **{key: path and path.name for key, path in links.items()},
        "contents": {key: digest_of_weights(path) for key, path in links.items() if path and path.is_file()},
    }
    if not resume:
        _require_no_training(out_dir)
    torch.manual_seed(config.seed)
    seen = Seen.of(config.data, train_samples.digests)
    state = _last_state(out_dir, run, links, quant, seen) if resume else None
    first_epoch, scores = (0, None) if state is None else (state["epoch"] + 1, state.get("scores"))
    if first_epoch == config.epochs and fabric.broadcast(_is_kept(out_dir, config.epochs)):
        return scores
    if state is None:
        network = new_network(config, quant, init_from, train_samples)
        require_batches(network, config, len(train_samples), fabric.world_size)
        if config.find_lr:
            rate = fabric.broadcast(find_rate(network, config, train_samples, fabric.device))
            config = replace(config, lr=rate, find_lr=False)
            if fabric.is_global_zero and not quiet:
                print(f"learning rate {rate:.3g}", file=sys.stderr)
    else:
        config = replace(config, lr=state["lr"], find_lr=False) if config.find_lr else config
        network = start_from(config.model, quant, state, config.image_size)
    spoken = teacher is not None and is_spoken(config, teacher)
    if spoken:
        kept, device = teacher_logits or out_dir / TEACHER_LOGITS, str(fabric.device)
        settings = {"classes": config.classes, "cache_dir": kept, "device": device}
        train_samples = replace(train_samples, soft=soft_targets(teacher, config.data, train_samples, **settings))
    taught = None if teacher is None or spoken else teacher_of(config, teacher)
    in_bfloat16 = computes_in_bfloat16(config.precision, fabric.device)
    if config.precision == "bfloat16" and not in_bfloat16:
        note("this processor has no convolutions of bfloat16; training computes in float32, which is faster here")
    keep_freed_memory()  # not before: calibration takes more than a step does
    learner = Learner(network, taught, config, fabric)
    if state is None:
        learner.centre_ranges()
    else:
        try:
            learner.load_state(state)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError):
            raise _damaged(out_dir, "what the optimiser and the averages were") from None
    train_samples = train_samples.to(fabric.device)
    begun = (Seen.by(checkpoints.load(path, of_volumes=True)) for path in links.values() if path is not None)
    seen = Seen.joined([seen, *begun]) if state is None else Seen.joined([seen, Seen.by(state)])
    common = {
        "model": config.model,
        "quant": quant.as_dict() if quant else None,
        "size": list(config.image_size),
        "classes": config.classes,
        "channels": config.in_channels,
        "run": run,
        "lr": config.lr,
        **seen_whole(Path(config.data), config.image_size, config.in_channels),
        "seen": seen.as_record(),
    }
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    writes = fabric.is_global_zero
    with (
        sole_writer(out_dir) if writes else nullcontext(),
        Progress(*columns, disable=quiet or not writes) as progress,
    ):
        if writes:
            _begin_log(out_dir / _LOG, first_epoch)
        epochs_bar = progress.add_task("epochs", total=config.epochs, completed=first_epoch)
        batch_bar = progress.add_task("steps", total=learner.batches(train_samples))
        pace.begin()
        if writes and first_epoch == config.epochs:  # ended before it was kept
            of_last = {"epoch": first_epoch - 1, "scores": scores}
            checkpoints.save(out_dir / KEPT, {**common, **of_last, "state": _portable_state(learner.candidate())})
        for epoch in range(first_epoch, config.epochs):
            progress.reset(batch_bar)
            loss = learner.train_epoch(train_samples, epoch, lambda: progress.update(batch_bar, advance=1))
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss of epoch {epoch + 1} is {loss}: give a lower --lr than {config.lr:g}"
                    + (", or --precision float32" if in_bfloat16 else "")
                )
            is_last = epoch + 1 == config.epochs
            told = f"epoch {epoch + 1}: loss {loss:.4f}"
            must_save = pace.must_save() or is_last
            keeps = is_last or val_samples is not None
            candidate = learner.candidate() if keeps else None
            if val_samples is not None:
                scores = learner.score(candidate, val_samples)
                told += f", IoU {scores['iou']:.4f}"
            if writes:
                common |= {"epoch": epoch, "scores": scores}
                _append_log(out_dir / _LOG, epoch, loss, scores)
                if must_save:
                    checkpoints.save(out_dir / LAST, {**common, **learner.state()})
                if keeps:
                    checkpoints.save(out_dir / KEPT, {**common, "state": _portable_state(candidate)})
            progress.update(epochs_bar, advance=1, description=told)
            if not is_last:
                pace.go_on()
    fabric.barrier()  # the files are complete before another process reads them
    return scores


def _require_no_training(out_dir: Path) -> None:
    if (out_dir / LAST).exists():
        raise ConfigError(f"'{out_dir}' holds a training already; give --resume to go on with it, or another --out")
    if (out_dir / KEPT).exists():
        raise ConfigError(
            f"'{out_dir}' holds weights of a training already, without the {LAST} to go on from; give another --out, or"
            f" delete its {KEPT}"
        )


def _is_kept(out_dir: Path, epochs: int) -> bool:
    """Whether what is kept of a training of so many epochs is there, whole and of the last of them."""
    try:
        return checkpoints.load(out_dir / KEPT)["epoch"] == epochs - 1
    except (CheckpointError, KeyError):
        return False


def _last_state(
    out_dir: Path, run: dict[str, Any], links: dict[str, Path | None], quant: QuantConfig | None, seen: Seen
) -> dict[str, Any]:
    """``last.pt`` of the same run, which began with ``links``, on the images that are ``seen``."""
    if not (out_dir / LAST).exists():
        _require_no_training(out_dir)
        raise CheckpointError(
            f"'{out_dir}' has no {LAST}: no epoch of this training was finished; begin without --resume"
        )
    try:
        state = checkpoints.load(out_dir / LAST)
    except CheckpointError as error:
        raise CheckpointError(f"{error}; to begin this training again, delete '{out_dir}'") from None
    if not isinstance(state.get("run"), dict):
        raise CheckpointError(f"'{out_dir / LAST}' is not of a training that can continue; give another --out")
    before = {field.name: field.default for field in fields(TrainConfig)} | state["run"]
    of_no_effect = ("device", "init_from", "contents", *(["calibration"] if quant is None else []))
    for key, value in run.items():
        if key not in of_no_effect and before.get(key) != value:
            raise _other_run(out_dir, key, before.get(key), value)
    for link, content in before.get("contents", {}).items():
        path = links.get(link)
        now = run["contents"].get(link, content)
        if path is not None and now != content != digest_of(path):  # the file's own: as it was recorded once
            raise CheckpointError(
                f"'{out_dir / LAST}' was trained with another network as {link} than '{path}' is now; resume with"
                " the same, or train into another --out"
            )
    if seen.images - Seen.by(state).images and "seen" in state:
        raise CheckpointError(
            f"'{out_dir / LAST}' was trained on other images than '{run['data']}' now holds; resume with the same, or"
            " train into another --out"
        )
    trained = None if state["quant"] is None else QuantConfig.from_dict(state["quant"])
    if trained != quant:
        names = [of and of.name for of in (trained, quant)]
        raise _other_run(out_dir, "quant", *(names if names[0] != names[1] else (trained, quant)))
    if run["find_lr"] and not isinstance(state.get("lr"), float):
        raise _damaged(out_dir, "'lr', the rate that was found")
    if not isinstance(state.get("epoch"), int) or not 0 <= state["epoch"] < run["epochs"]:
        raise _damaged(out_dir, "'epoch', the number of the last one")
    return state


def _damaged(out_dir: Path, where: str) -> CheckpointError:
    return CheckpointError(
        f"'{out_dir / LAST}' is damaged in {where}; give another --out, or delete '{out_dir}', to begin again"
    )


def _other_run(out_dir: Path, key: str, before: Any, now: Any) -> CheckpointError:
    return CheckpointError(
        f"'{out_dir / LAST}' was trained with {key}={before}, not {now}; resume with the same settings or train into"
        " another --out"
    )


def _portable_state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.detach().cpu().contiguous().clone() for key, value in network.state_dict().items()}


def _begin_log(path: Path, first_epoch: int) -> None:
    """Leaves the epochs before ``first_epoch`` in the log: those after it are trained again."""
    rows = []
    if first_epoch and path.is_file():
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            rows = list(csv.reader(line.replace("\0", "") for line in file))[1 : first_epoch + 1]

    def write(partial: Path) -> None:
        with partial.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("epoch", "loss", *_LOGGED_SCORES), *rows])

    replace_file(path, write)


def _append_log(path: Path, epoch: int, loss: float, scores: dict[str, Any] | None) -> None:
    values = [] if scores is None else [f"{scores[name]:.6f}" for name in _LOGGED_SCORES]
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow((epoch, f"{loss:.6f}", *values))
