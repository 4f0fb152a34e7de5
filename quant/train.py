"""Training of a float network or its quantized twin: 0.5 BCE + Dice, Adam, flips and quarter turns.

Each epoch draws from a generator seeded by (seed, epoch), and ``last.pt`` holds everything else, so a run that is
broken off and resumed ends with the weights of the unbroken run. ``best.pt`` of a quantized network has its thresholds
settled at every moment, so it can be exported even where the run was broken off. Under ``torchrun`` the processes train
one network together; the first of them writes the files, so --out is a folder that the others can read.
"""

from __future__ import annotations

import copy
import csv
import math
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import calib_data
from quant import checkpoint as checkpoints
from quant.config import QuantConfig
from quant.data import Samples, load_samples
from quant.engine import make_optimiser, train_epoch
from quant.errors import CheckpointError
from quant.networks import assemble, classes_of, from_checkpoint, settle, start_from
from quant.predict import predict_masks
from quant.prepare import calibrate
from quant.ranks import gather, join, share_statistics
from quant.scores import score
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
    size = (config.size, config.size)
    train_samples, val_samples = (
        load_samples(config.data, split, size, normal_cases=config.normal_cases, classes=config.classes)
        for split in ("train", "val")
    )
    torch.manual_seed(config.seed)
    run = {
        **asdict(config),
        "data": Path(config.data).name,
        "init_from": init_from.name if init_from else None,
        "teacher": teacher.name if teacher else None,
    }
    first_epoch, best, state = 0, -1.0, None
    if resume:
        state = checkpoints.load(out_dir / "last.pt")
        _require_same_run(state["run"], run, out_dir)
        network = start_from(config.model, quant, state)
        first_epoch, best = state["epoch"] + 1, state["best"]
    else:
        start = None if init_from is None else checkpoints.load(init_from)
        _require_classes(start, config, init_from)
        network = (
            assemble(config.model, quant, config.classes) if start is None else start_from(config.model, quant, start)
        )
        if quant is not None and (start is None or start["quant"] is None):
            calibrate(network, _calibration_codes(config, train_samples))
    ranges = network.learn_ranges() if quant is not None and config.ranges == "learned" else []
    if state is None:
        with torch.no_grad():
            for exponent in ranges:
                exponent.copy_(torch.ceil(exponent) - 0.5)  # it is rounded up: as far from halving as from doubling
    if fabric.world_size > 1:
        share_statistics(network)
    _on_device(network, fabric)
    teacher_network = None if teacher is None else _on_device(from_checkpoint(checkpoints.load(teacher)), fabric)
    optimiser = make_optimiser(network, ranges, config)
    averaged = None
    if config.ema:
        averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.ema), use_buffers=True)
    if state is not None:
        optimiser.load_state_dict(state["optimiser"])
        if averaged is not None:
            averaged.module.load_state_dict(state["averaged"]["state"])
            averaged.n_averaged.fill_(state["averaged"]["steps"])
    parallel, optimiser = fabric.setup(network, optimiser)

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not fabric.is_global_zero) as progress:
        batches = math.ceil(len(train_samples) / (config.batch * fabric.world_size))
        epochs_bar = progress.add_task("epochs", total=config.epochs, completed=first_epoch)
        batch_bar = progress.add_task("loss", total=batches)
        for epoch in range(first_epoch, config.epochs):
            progress.reset(batch_bar)

            def on_batch(loss: float) -> None:
                progress.update(batch_bar, advance=1, description=f"loss {loss:.4f}")

            loss = train_epoch(
                parallel, averaged, teacher_network, optimiser, train_samples, config, epoch, fabric, on_batch
            )
            candidate = _candidate(network if averaged is None else averaged.module, config.model, quant)
            scores = _score(_on_device(candidate, fabric), val_samples, config, fabric)
            common = {
                "model": config.model,
                "quant": quant.as_dict() if quant else None,
                "size": list(size),
                "classes": config.classes,
                "run": run,
                "epoch": epoch,
                "scores": scores,
            }
            is_best = scores["iou_pooled8"] > best
            best = max(best, scores["iou_pooled8"])
            if fabric.is_global_zero:
                if is_best:
                    checkpoints.save(out_dir / "best.pt", {**common, "state": _portable_state(candidate)})
                progressing = {"state": network.state_dict(), "optimiser": optimiser.state_dict(), "averaged": None}
                if averaged is not None:
                    progressing["averaged"] = {
                        "state": averaged.module.state_dict(),
                        "steps": averaged.n_averaged.item(),
                    }
                checkpoints.save(out_dir / "last.pt", {**common, "best": best, **progressing})
                _append_log(out_dir / "log.csv", epoch, loss, scores, first=epoch == 0)
            progress.update(
                epochs_bar,
                advance=1,
                description=f"epoch {epoch + 1}: loss {loss:.4f}, IoU {scores['iou_pooled8']:.4f}, best {best:.4f}",
            )
    fabric.barrier()  # the files are complete before another process reads them
    return checkpoints.load(out_dir / "best.pt")["scores"]


def _require_classes(start: dict[str, Any] | None, config: TrainConfig, path: Path | None) -> None:
    if start is not None and classes_of(start) != config.classes:
        raise CheckpointError(
            f"'{path}' has {classes_of(start)} logits a pixel, not {config.classes}; give --classes to match"
        )


def _calibration_codes(config: TrainConfig, train_samples: Samples) -> torch.Tensor:
    """Codes (N, 3, H, W) of the images that activation scales are fitted to."""
    if config.calibration == "train":
        return train_samples.codes[:_CALIBRATION_IMAGES]
    samples = calib_data.load_all((config.size, config.size))
    codes = np.stack([sample.codes for sample in samples])  # (N, H, W, 3)
    return torch.from_numpy(codes).permute(0, 3, 1, 2).contiguous()  # (N, H, W, 3) -> (N, 3, H, W)


def _candidate(network: nn.Module, model: str, quant: QuantConfig | None) -> nn.Module:
    """What would be kept of this epoch: of a quantized network a copy with its BN shifts moved off the accumulator
    grid, so that any arithmetic gives its integers."""
    if quant is None:
        return network
    settled = copy.deepcopy(network).cpu().eval()
    settle(settled, model)
    return settled


def _on_device(network: nn.Module, fabric: Fabric) -> nn.Module:
    return network.to(fabric.device, memory_format=torch.channels_last)


def _score(network: nn.Module, samples: Samples, config: TrainConfig, fabric: Fabric) -> dict[str, float | int]:
    """Scores on all of ``samples``, of which each process predicts a share; the shares are made equal by repetition."""
    share = math.ceil(len(samples) / fabric.world_size)
    mine = (torch.arange(share) * fabric.world_size + fabric.global_rank) % len(samples)
    predictions = predict_masks(network, samples.codes[mine], config.batch, str(fabric.device))
    if fabric.world_size > 1:
        gathered = gather(torch.from_numpy(predictions).to(fabric.device, torch.uint8))  # (P, share, H, W)
        in_order = gathered.transpose(0, 1).flatten(0, 1)[: len(samples)]
        predictions = in_order.cpu().numpy().astype(predictions.dtype)
    return score(predictions, samples.masks[:, 0].numpy(), config.classes, surfaces=False)


def _portable_state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.detach().cpu().contiguous().clone() for key, value in network.state_dict().items()}


def _require_same_run(before: dict[str, Any], now: dict[str, Any], out_dir: Path) -> None:
    before = {field.name: field.default for field in fields(TrainConfig)} | before
    for key, value in now.items():
        if key not in ("device", "init_from") and before.get(key) != value:
            raise CheckpointError(
                f"'{out_dir / 'last.pt'}' was trained with {key}={before.get(key)}, not {value};"
                " resume with the same settings or train into another --out"
            )


def _append_log(path: Path, epoch: int, loss: float, scores: dict[str, Any], *, first: bool) -> None:
    columns = ("iou_pooled8", "iou", "f1", "precision", "recall", "aac")
    with path.open("w" if first else "a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if first:
            writer.writerow(("epoch", "loss", *columns))
        writer.writerow((epoch, f"{loss:.6f}", *(f"{scores[column]:.6f}" for column in columns)))
