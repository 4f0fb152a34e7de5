"""Training on volumes, of a float network or its quantized twin: in 3D on patches, in 2.5D on neighbouring slices.

The protocol is fixed before it starts: the split goes by patient, the schedule by the number of epochs, and what is
kept are the last epoch's weights, averaged where ``ema`` says so; no score chooses them. Each epoch draws from (seed,
epoch), and ``last.pt`` holds the rest, so a run that is broken off and resumed ends with the weights of the unbroken
one. A twin starts from float weights, and what is kept of it has its thresholds settled, so it can be exported; deep
supervision is of float networks alone. A checkpoint of 2.5D is one of ``python -m quant`` like others.
"""

from __future__ import annotations

import copy
import csv
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import models
from quant.base import checkpoint as checkpoints
from quant.base.errors import CheckpointError, ConfigError, TrainingError
from quant.base.replace_file import replace_file, replace_text
from quant.base.sole_writer import sole_writer
from quant.data.pairs import to_input
from quant.twin.networks import assemble, settle, start_from
from quant.twin.prepare import calibrate
from quant.twin.twin import Twin
from quant.volumes.loss import LOSSES, deep_supervision
from quant.volumes.patches import PatchSampler
from quant.volumes.scans import Scan, cropped_to_body, load_scans
from quant.volumes.schedule import sgd
from quant.volumes.volume import common_spacing

if TYPE_CHECKING:
    from quant.twin.config import QuantConfig
    from quant.volumes.train_config import VolumeTrainConfig

KEPT = "weights.pt"
_LAST, _LOG, _WINDOW = "last.pt", "log.csv", "window.json"
_GRADIENT_NORM_LIMIT = 12.0  # nnU-Net's
_CALIBRATION_PATCHES = 8


def train_volumes(
    config: VolumeTrainConfig,
    out_dir: Path,
    *,
    quant: QuantConfig | None = None,
    init_from: Path | None = None,
    resume: bool = False,
) -> Path:
    """Trains on the split ``train`` and returns the path of what is kept; the split ``val`` is not read.

    ``quant``: of a twin; ``init_from``: a checkpoint to start from, a float one for a new twin.

    Writes to ``out_dir`` after each epoch ``weights.pt``, ``last.pt`` and ``log.csv``, and ``window.json``: the
    intensity window, for ``board.intensity``.

    Raises:
        ConfigError, DataError, CheckpointError: see their messages.
    """
    scans = load_scans(Path(config.data), "train", config.window, config.classes, config.spacing_mm)
    return fit(config, scans, out_dir, quant=quant, init_from=init_from, resume=resume)


def fit(
    config: VolumeTrainConfig,
    scans: list[Scan],
    out_dir: Path,
    *,
    quant: QuantConfig | None = None,
    init_from: Path | None = None,
    resume: bool = False,
) -> Path:
    """As ``train_volumes``, on scans in memory."""
    out_dir = Path(out_dir)
    run = {**config.as_dict(), "data": Path(config.data).name}
    state = _last_state(out_dir, run, quant) if resume else None
    torch.manual_seed(config.seed)
    shown = [cropped_to_body(scan) for scan in scans] if config.body_crop else scans
    sampler = PatchSampler(shown, config.patch, config.foreground_share, config.slices, is_flipped=config.flips)
    channels = channels_seen(config, scans)
    float_network = models.build(config.model, config.classes, channels)
    _require_patch(float_network, config, channels)
    if state is not None:
        network = assemble(config.model, quant, config.classes, config.size, channels)
    elif init_from is not None:
        start = _start(config, init_from, channels)
        network = start_from(config.model, quant, start, config.size)
        if isinstance(network, Twin) and start["quant"] is None:
            calibrate(network, next(sampler.batches(1, _CALIBRATION_PATCHES, config.seed))[0])
    elif quant is not None:
        raise ConfigError("a quantized network starts from float weights; train them, and give --init-from")
    else:
        network = float_network
    network = network.to(config.device)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(config.ema), use_buffers=True)
    optimiser = sgd(network.parameters(), config.lr, config.weight_decay)
    first_epoch = 0
    if state is not None:
        first_epoch = state["epoch"] + 1
        network.load_state_dict(state["state"])
        optimiser.load_state_dict(state["optimiser"])
        averaged.module.load_state_dict(state["averaged"]["state"])
        averaged.n_averaged.fill_(state["averaged"]["steps"])
    common = {**_description(config, scans, run), "quant": quant and quant.as_dict()}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with sole_writer(out_dir), Progress(*columns) as progress:
        _begin(out_dir, config, first_epoch)
        bar = progress.add_task("steps", total=config.epochs * config.steps, completed=first_epoch * config.steps)
        for epoch in range(first_epoch, config.epochs):
            loss = _epoch(network, averaged, optimiser, sampler, config, epoch, lambda: progress.advance(bar))
            if not math.isfinite(loss):
                raise TrainingError(f"the loss of epoch {epoch + 1} is {loss}: give a lower --lr than {config.lr:g}")
            kept = averaged.module if config.ema else network
            common |= {"epoch": epoch, "scores": None}
            checkpoints.save(out_dir / KEPT, {**common, "state": _portable(_settled(kept, config.model))})
            with (out_dir / _LOG).open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow((epoch, f"{loss:.6f}"))
            last = {"state": averaged.module.state_dict(), "steps": averaged.n_averaged.item()}
            of_run = {"state": network.state_dict(), "optimiser": optimiser.state_dict(), "averaged": last}
            checkpoints.save(out_dir / _LAST, {**common, **of_run})
            progress.update(bar, description=f"epoch {epoch + 1}: loss {loss:.4f}")
    return out_dir / KEPT


def channels_seen(config: VolumeTrainConfig, scans: list[Scan]) -> int:
    """Channels of the network's input."""
    return scans[0].codes.shape[0] * max(1, config.slices)


def _epoch(
    network: nn.Module,
    averaged: AveragedModel,
    optimiser: torch.optim.Optimizer,
    sampler: PatchSampler,
    config: VolumeTrainConfig,
    epoch: int,
    on_step: Any,
) -> float:
    """One epoch; returns its mean loss. The generators of patches and of dropout follow from (seed, epoch)."""
    seed = config.seed * 100_003 + epoch
    torch.manual_seed(seed)
    network.train()
    for group in optimiser.param_groups:
        group["lr"] = config.schedule.rate(epoch)
    total = 0.0
    optimiser.zero_grad(set_to_none=True)
    for index, (codes, labels) in enumerate(sampler.batches(config.steps * config.accumulate, config.batch, seed)):
        logits = network(to_input(codes.to(config.device)))
        outputs = logits if isinstance(logits, tuple) else (logits,)
        loss = deep_supervision(LOSSES[config.loss], outputs, labels.to(config.device)) / config.accumulate
        loss.backward()
        total += float(loss.detach())
        if (index + 1) % config.accumulate:
            continue
        nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_NORM_LIMIT)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        averaged.update_parameters(network)
        on_step()
    return total / config.steps


def _description(config: VolumeTrainConfig, scans: list[Scan], run: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint says of its network, and of the volumes that it takes."""
    return {
        "model": config.model,
        "size": list(config.size),
        "classes": config.classes,
        "run": run,
        "volumes": {
            "channels": channels_seen(config, scans),
            "slices": config.slices,
            "window": config.window.as_dict(),
            "spacing_mm": run["spacing_mm"],
            "file_spacing_mm": common_spacing(scan.file for scan in scans),
            "orientation": scans[0].file.orientation,
        },
    }


def _require_patch(network: nn.Module, config: VolumeTrainConfig, channels: int) -> None:
    """ConfigError unless the network gives logits of the patch's size."""
    sides = config.size
    try:
        with torch.no_grad():
            logits = network.eval()(torch.zeros(1, channels, *sides))
        why = None if tuple(logits.shape[2:]) == tuple(sides) else f"its logits have {tuple(logits.shape[2:])}"
    except RuntimeError as error:
        why = str(error).splitlines()[0].rstrip(".")
    if why is not None:
        patch = "x".join(map(str, config.patch))
        raise ConfigError(f"network '{config.model}' takes no patches of {patch}: {why}; give another --patch")


def _start(config: VolumeTrainConfig, init_from: Path, channels: int) -> dict[str, Any]:
    start = checkpoints.load(init_from, of_volumes=True)
    if start["classes"] != config.classes or start.get("volumes", {}).get("channels", channels) != channels:
        raise CheckpointError(
            f"'{init_from}' has other classes or channels; give --classes, --slices and data to match"
        )
    return start


def _settled(network: nn.Module, name: str) -> nn.Module:
    """What is kept of ``network``: of a twin a copy that any arithmetic gives the integers of."""
    if not isinstance(network, Twin):
        return network
    settled = copy.deepcopy(network).cpu().eval()
    settle(settled, name)
    return settled


def _last_state(out_dir: Path, run: dict[str, Any], quant: QuantConfig | None) -> dict[str, Any]:
    path = out_dir / _LAST
    state = checkpoints.load(path, of_volumes=True)
    if "volumes" not in state or not isinstance(state.get("run"), dict):
        raise CheckpointError(f"'{path}' is not of a training on volumes; give another --out")
    if state["quant"] != (quant and quant.as_dict()):
        raise CheckpointError(
            f"'{path}' was trained with another --quant; continue with the same, or give another --out"
        )
    before = {"flips": True} | state["run"]
    for key, value in run.items():
        if key != "device" and before.get(key) != value:
            raise CheckpointError(
                f"'{path}' was trained with {key}={before.get(key)}, not {value}; continue with the same "
                "settings, or give another --out"
            )
    return state


def _begin(out_dir: Path, config: VolumeTrainConfig, first_epoch: int) -> None:
    """The window's file, and a log of the epochs before ``first_epoch``: those after it are trained again."""
    window = json.dumps(config.window.as_dict(), indent=1) + "\n"
    replace_text(out_dir / _WINDOW, window)
    rows = [["epoch", "loss"]]
    if first_epoch and (out_dir / _LOG).is_file():
        with (out_dir / _LOG).open(newline="", encoding="utf-8") as file:
            rows += list(csv.reader(file))[1 : first_epoch + 1]

    def write(partial: Path) -> None:
        with partial.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)

    replace_file(out_dir / _LOG, write)


def _portable(network: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.detach().cpu().contiguous().clone() for key, value in network.state_dict().items()}
