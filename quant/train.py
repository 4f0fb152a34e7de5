"""Training of a float network or its quantized twin: 0.5 BCE + Dice, Adam, flips and quarter turns.

Each epoch draws from a generator seeded by (seed, epoch), and ``last.pt`` holds everything else, so a run that is
broken off and resumed ends with the weights of the unbroken run. ``best.pt`` of a quantized network has its thresholds
settled at every moment, so it can be exported even where the run was broken off. Under ``torchrun`` the processes train
one network together; the first of them writes the files, so --out is a folder that the others can read.
"""

from __future__ import annotations

import csv
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

import calib_data
import models
from quant import checkpoint as checkpoints
from quant.config import QuantConfig
from quant.data import Samples, load_samples, require_foreground, to_planes
from quant.errors import CheckpointError
from quant.learner import Learner
from quant.networks import assemble, channels_of, classes_of, from_checkpoint, require_size, start_from
from quant.prepare import calibrate
from quant.ranks import join
from quant.train_config import TrainConfig

_CALIBRATION_IMAGES = 16


def train(
    config: TrainConfig,
    quant: QuantConfig | None,
    out_dir: Path,
    *,
    init_from: Path | None = None,
    teacher: Path | None = None,
    resume: bool = False,
) -> dict[str, Any]:
    """Trains and returns the best epoch's validation scores.

    Writes to ``out_dir``: ``last.pt`` after each epoch, ``best.pt`` (highest ``iou_pooled8`` on the split ``val``; of a
    quantized network with its thresholds settled) and ``log.csv``. ``teacher`` is a checkpoint whose prediction the
    network is drawn to, with the weight ``config.distill``.

    Raises:
        ConfigError, DataError, CheckpointError: see their messages.
    """
    out_dir, fabric = Path(out_dir), join(config.device)
    size, shape = (config.size, config.size), {"classes": config.classes, "channels": channels_of(config.model)}
    require_size(models.build(config.model, config.classes), config.model, size, shape["channels"])
    train_samples, val_samples = (
        load_samples(config.data, split, size, normal_cases=config.normal_cases, **shape) for split in ("train", "val")
    )
    for split, samples in (("train", train_samples), ("val", val_samples)):
        require_foreground(samples, config.data, split)
    run = {
        **asdict(config),
        "data": Path(config.data).name,
        "init_from": init_from.name if init_from else None,
        "teacher": teacher.name if teacher else None,
    }
    torch.manual_seed(config.seed)
    state = _last_state(out_dir, run) if resume else None
    if state is None:
        network = _new_network(config, quant, init_from, train_samples)
    else:
        network = start_from(config.model, quant, state)
    learner = Learner(network, None if teacher is None else _trained(teacher), config, fabric)
    if state is None:
        learner.centre_ranges()
        first_epoch, best = 0, -1.0
    else:
        learner.load_state(state)
        first_epoch, best = state["epoch"] + 1, state["best"]

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not fabric.is_global_zero) as progress:
        epochs_bar = progress.add_task("epochs", total=config.epochs, completed=first_epoch)
        batch_bar = progress.add_task("loss", total=learner.batches(train_samples))
        for epoch in range(first_epoch, config.epochs):
            progress.reset(batch_bar)

            def on_batch(loss: float) -> None:
                progress.update(batch_bar, advance=1, description=f"loss {loss:.4f}")

            loss = learner.train_epoch(train_samples, epoch, on_batch)
            candidate = learner.candidate()
            scores = learner.score(candidate, val_samples)
            is_best = scores["iou_pooled8"] > best
            best = max(best, scores["iou_pooled8"])
            if fabric.is_global_zero:
                common = {
                    "model": config.model,
                    "quant": quant.as_dict() if quant else None,
                    "size": list(size),
                    "classes": config.classes,
                    "run": run,
                    "epoch": epoch,
                    "scores": scores,
                }
                if is_best:
                    checkpoints.save(out_dir / "best.pt", {**common, "state": _portable_state(candidate)})
                checkpoints.save(out_dir / "last.pt", {**common, "best": best, **learner.state()})
                _append_log(out_dir / "log.csv", epoch, loss, scores, first=epoch == 0)
            progress.update(
                epochs_bar,
                advance=1,
                description=f"epoch {epoch + 1}: loss {loss:.4f}, IoU {scores['iou_pooled8']:.4f}, best {best:.4f}",
            )
    fabric.barrier()  # the files are complete before another process reads them
    return checkpoints.load(out_dir / "best.pt")["scores"]


def _last_state(out_dir: Path, run: dict[str, Any]) -> dict[str, Any]:
    """``last.pt`` of the same run."""
    state = checkpoints.load(out_dir / "last.pt")
    if not isinstance(state.get("run"), dict):
        raise CheckpointError(f"'{out_dir / 'last.pt'}' is of no training that could go on; give another --out")
    before = {field.name: field.default for field in fields(TrainConfig)} | state["run"]
    for key, value in run.items():
        if key not in ("device", "init_from") and before.get(key) != value:
            raise CheckpointError(
                f"'{out_dir / 'last.pt'}' was trained with {key}={before.get(key)}, not {value};"
                " resume with the same settings or train into another --out"
            )
    return state


def _new_network(
    config: TrainConfig, quant: QuantConfig | None, init_from: Path | None, train_samples: Samples
) -> nn.Module:
    """The network as its training begins: fresh or from ``init_from``, a new twin with its scales fitted to images."""
    start = None if init_from is None else checkpoints.load(init_from)
    if start is None:
        network = assemble(config.model, quant, config.classes)
    else:
        if classes_of(start) != config.classes:
            raise CheckpointError(
                f"'{init_from}' has {classes_of(start)} logits a pixel, not {config.classes}; give --classes to match"
            )
        network = start_from(config.model, quant, start)
    if quant is not None and (start is None or start["quant"] is None):
        calibrate(network, _calibration_codes(config, train_samples))
    return network


def _trained(path: Path) -> nn.Module:
    return from_checkpoint(checkpoints.load(path))


def _calibration_codes(config: TrainConfig, train_samples: Samples) -> torch.Tensor:
    """Codes (N, C, H, W) of the images that activation scales are fitted to."""
    if config.calibration == "train":
        return train_samples.codes[:_CALIBRATION_IMAGES]
    samples = calib_data.load_all((config.size, config.size), channels_of(config.model))
    return to_planes(np.stack([sample.codes for sample in samples]))


def _portable_state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.detach().cpu().contiguous().clone() for key, value in network.state_dict().items()}


def _append_log(path: Path, epoch: int, loss: float, scores: dict[str, Any], *, first: bool) -> None:
    columns = ("iou_pooled8", "iou", "f1", "precision", "recall", "aac")
    with path.open("w" if first else "a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if first:
            writer.writerow(("epoch", "loss", *columns))
        writer.writerow((epoch, f"{loss:.6f}", *(f"{scores[column]:.6f}" for column in columns)))
