"""Training of a float network or its quantized twin: 0.5 BCE + Dice, Adam, flips and quarter turns.

Defaults are the paper's (Carvalho & Vestias 2025): 256x256, Adam at 1e-3, weight decay 1e-4, batch 8, 300 epochs.
Each epoch draws from a generator seeded by (seed, epoch), and ``last.pt`` holds everything else, so a run that is
broken off and resumed ends with the weights of the unbroken run.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import calib_data
from quant import checkpoint as checkpoints
from quant.augment import AUGMENTATIONS, StrongAugmentation
from quant.config import QuantConfig
from quant.data import Samples, augmented_batches, load_samples, to_input
from quant.device import require_device
from quant.errors import CheckpointError, ConfigError
from quant.metrics import score_masks
from quant.networks import assemble, from_checkpoint, settle, start_from
from quant.predict import predict_masks
from quant.prepare import calibrate

_GRADIENT_NORM_LIMIT = 5.0
# bfloat16 holds codes of up to 8 bits exactly; sums are rounded, so it serves training alone: scores are in float32.
_PRECISIONS = ("float32", "bfloat16")
_CALIBRATIONS = ("calib_data", "train")
_CALIBRATION_IMAGES = 16


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run; ``size`` in pixels, ``lr`` per step of Adam.

    With ``ema`` above 0 the network that is scored and kept is an exponential moving average, of this decay a step, of
    the weights and BN statistics (Polyak & Juditsky, SIAM J. Control Optim. 30 (1992) 838).
    """

    model: str
    data: str
    epochs: int = 300
    batch: int = 8
    lr: float = 1e-3
    weight_decay: float = 1e-4
    schedule: str = "constant"
    size: int = 256
    seed: int = 1
    device: str = "cpu"
    precision: str = "float32"
    calibration: str = "calib_data"
    ema: float = 0.0
    augmentation: str = "flips"

    def __post_init__(self) -> None:
        for field, value in (("epochs", self.epochs), ("batch", self.batch), ("size", self.size)):
            if value < 1:
                raise ConfigError(f"--{field} must be at least 1, got {value}")
        if self.schedule not in ("constant", "cosine"):
            raise ConfigError(f"unknown schedule '{self.schedule}'; known: constant, cosine")
        if self.calibration not in _CALIBRATIONS:
            raise ConfigError(f"unknown calibration '{self.calibration}'; known: {', '.join(_CALIBRATIONS)}")
        if self.precision not in _PRECISIONS:
            raise ConfigError(f"unknown precision '{self.precision}'; known: {', '.join(_PRECISIONS)}")
        if self.augmentation not in AUGMENTATIONS:
            raise ConfigError(f"unknown augmentation '{self.augmentation}'; known: {', '.join(AUGMENTATIONS)}")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"--ema must be at least 0 and below 1, got {self.ema}")
        require_device(self.device)

    def learning_rate(self, epoch: int) -> float:
        """Learning rate of ``epoch`` (from 0): constant, or a cosine from ``lr`` to a hundredth of it."""
        if self.schedule == "constant":
            return self.lr
        progress = epoch / max(1, self.epochs - 1)
        return self.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def segmentation_loss(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """0.5 BCE + Dice, the Dice term per image with smoothing 1e-5. (B, 1, H, W) logits and 0/1 masks -> scalar."""
    bce = functional.binary_cross_entropy_with_logits(logits, masks)
    probability, truth = torch.sigmoid(logits).flatten(1), masks.flatten(1)  # (B, 1, H, W) -> (B, H*W)
    overlap = (probability * truth).sum(1)
    dice = (2 * overlap + 1e-5) / (probability.sum(1) + truth.sum(1) + 1e-5)
    return 0.5 * bce + 1 - dice.mean()


def network_input(codes: torch.Tensor, device: str) -> torch.Tensor:
    """Codes (B, 3, H, W) uint8 -> the network's input on ``device``, channels last as CPU and GPU kernels prefer."""
    return to_input(codes.to(device)).contiguous(memory_format=torch.channels_last)


def training_step(
    network: nn.Module, optimiser: torch.optim.Optimizer, x: torch.Tensor, masks: torch.Tensor, precision: str
) -> float:
    """One step on input ``x`` (B, 3, H, W) and float masks (B, 1, H, W); returns the loss before it."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        logits = network(x)
    loss = segmentation_loss(logits.float(), masks)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_NORM_LIMIT)
    optimiser.step()
    return loss.item()


def _calibration_codes(config: TrainConfig, train_samples: Samples) -> torch.Tensor:
    """Codes (N, 3, H, W) of the images that activation scales are fitted to."""
    if config.calibration == "train":
        return train_samples.codes[:_CALIBRATION_IMAGES]
    samples = calib_data.load_all((config.size, config.size))
    codes = np.stack([sample.codes for sample in samples])  # (N, H, W, 3)
    return torch.from_numpy(codes).permute(0, 3, 1, 2).contiguous()  # (N, H, W, 3) -> (N, 3, H, W)


def _epoch_generator(seed: int, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed * 100_003 + epoch)


def _train_epoch(
    network: nn.Module,
    averaged: AveragedModel | None,
    optimiser: torch.optim.Optimizer,
    samples: Samples,
    config: TrainConfig,
    epoch: int,
    on_batch: Callable[[float], None],
) -> float:
    """One pass over ``samples``; returns the mean loss."""
    network.train()
    for group in optimiser.param_groups:
        group["lr"] = config.learning_rate(epoch)
    total, count = 0.0, 0
    generator = _epoch_generator(config.seed, epoch)
    strengthen = StrongAugmentation() if config.augmentation == "strong" else None
    for codes, masks in augmented_batches(samples, config.batch, generator):
        if strengthen is not None:
            codes, masks = strengthen(codes, masks, generator)
        x, truth = network_input(codes, config.device), masks.to(config.device, torch.float32)
        loss = training_step(network, optimiser, x, truth, config.precision)
        if averaged is not None:
            averaged.update_parameters(network)
        total, count = total + loss * len(codes), count + len(codes)
        on_batch(total / count)
    return total / count


def train(
    config: TrainConfig,
    quant: QuantConfig | None,
    out_dir: Path,
    *,
    init_from: Path | None = None,
    resume: bool = False,
) -> dict[str, Any]:
    """Trains and returns the best epoch's validation scores.

    Writes to ``out_dir``: ``last.pt`` after each epoch, ``best.pt`` (highest ``iou_pooled8`` on the split ``val``; of a
    quantized network with its thresholds settled) and ``log.csv``.

    Raises:
        ConfigError, DataError, CheckpointError: see their messages.
    """
    out_dir = Path(out_dir)
    size = (config.size, config.size)
    train_samples, val_samples = load_samples(config.data, "train", size), load_samples(config.data, "val", size)
    torch.manual_seed(config.seed)
    run = {**asdict(config), "data": Path(config.data).name, "init_from": init_from.name if init_from else None}
    first_epoch, best, state = 0, -1.0, None
    if resume:
        state = checkpoints.load(out_dir / "last.pt")
        _require_same_run(state["run"], run, out_dir)
        network = start_from(config.model, quant, state)
        first_epoch, best = state["epoch"] + 1, state["best"]
    else:
        start = None if init_from is None else checkpoints.load(init_from)
        network = assemble(config.model, quant) if start is None else start_from(config.model, quant, start)
        if quant is not None and (start is None or start["quant"] is None):
            calibrate(network, _calibration_codes(config, train_samples))
    network.to(config.device, memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    averaged = None
    if config.ema:
        averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.ema), use_buffers=True)
    kept = network if averaged is None else averaged.module
    if state is not None:
        optimiser.load_state_dict(state["optimiser"])
        if averaged is not None:
            averaged.module.load_state_dict(state["averaged"]["state"])
            averaged.n_averaged.fill_(state["averaged"]["steps"])

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        batches = math.ceil(len(train_samples) / config.batch)
        epochs_bar = progress.add_task("epochs", total=config.epochs, completed=first_epoch)
        batch_bar = progress.add_task("loss", total=batches)
        for epoch in range(first_epoch, config.epochs):
            progress.reset(batch_bar)

            def on_batch(loss: float) -> None:
                progress.update(batch_bar, advance=1, description=f"loss {loss:.4f}")

            loss = _train_epoch(network, averaged, optimiser, train_samples, config, epoch, on_batch)
            scores = _score(kept, val_samples, config)
            common = {
                "model": config.model,
                "quant": quant.as_dict() if quant else None,
                "size": list(size),
                "run": run,
                "epoch": epoch,
                "scores": scores,
            }
            if scores["iou_pooled8"] > best:
                best = scores["iou_pooled8"]
                checkpoints.save(out_dir / "best.pt", {**common, "state": _portable_state(kept)})
            checkpoints.save(
                out_dir / "last.pt",
                {
                    **common,
                    "best": best,
                    "state": network.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "averaged": averaged
                    and {"state": averaged.module.state_dict(), "steps": averaged.n_averaged.item()},
                },
            )
            _append_log(out_dir / "log.csv", epoch, loss, scores, first=epoch == 0)
            progress.update(
                epochs_bar,
                advance=1,
                description=f"epoch {epoch + 1}: loss {loss:.4f}, IoU {scores['iou_pooled8']:.4f}, best {best:.4f}",
            )
    if quant is not None:
        _settle_best(out_dir / "best.pt", val_samples, config)
    return checkpoints.load(out_dir / "best.pt")["scores"]


def _settle_best(path: Path, val_samples: Samples, config: TrainConfig) -> None:
    """Moves the best checkpoint's BN shifts off the accumulator grid, so that any arithmetic gives its integers, and
    scores what that leaves."""
    best = checkpoints.load(path)
    network = from_checkpoint(best)
    settle(network, best["model"])
    state = _portable_state(network)
    network.to(config.device, memory_format=torch.channels_last)
    checkpoints.save(path, {**best, "scores": _score(network, val_samples, config), "state": state})


def _score(network: nn.Module, samples: Samples, config: TrainConfig) -> dict[str, float | int]:
    predictions = predict_masks(network, samples.codes, config.batch, config.device)
    return score_masks(predictions, samples.masks[:, 0].numpy())


def _portable_state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.detach().cpu().contiguous().clone() for key, value in network.state_dict().items()}


def _require_same_run(before: dict[str, Any], now: dict[str, Any], out_dir: Path) -> None:
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
