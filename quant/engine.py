"""One training step and one epoch: forward, loss, backward, Adam; shared by ``train`` and ``bench``."""

from __future__ import annotations

from collections.abc import Callable

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.optim.swa_utils import AveragedModel

from quant.augment import augmented_batches
from quant.data import Samples, to_input
from quant.loss import distillation_loss, segmentation_loss
from quant.train_config import TrainConfig

_GRADIENT_NORM_LIMIT = 5.0


def network_input(codes: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """Codes (B, 3, H, W) uint8 -> the network's input on ``device``, channels last as CPU and GPU kernels prefer."""
    return to_input(codes.to(device)).contiguous(memory_format=torch.channels_last)


def training_step(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    x: torch.Tensor,
    masks: torch.Tensor,
    *,
    precision: str,
    teacher: nn.Module | None = None,
    distill: float = 0.0,
    backward: Callable[[torch.Tensor], None] = torch.Tensor.backward,
) -> float:
    """One step on input ``x`` (B, 3, H, W) and float masks (B, 1, H, W); returns the loss before it."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        logits = network(x)
        if teacher is not None:
            with torch.no_grad():
                teacher_logits = teacher(x)
    loss = segmentation_loss(logits.float(), masks)
    if teacher is not None:
        loss = loss + distill * distillation_loss(logits.float(), teacher_logits.float())
    optimiser.zero_grad(set_to_none=True)
    backward(loss)
    nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], _GRADIENT_NORM_LIMIT)  # weights, not ranges
    optimiser.step()
    return loss.item()


def make_optimiser(network: nn.Module, ranges: list[nn.Parameter], config: TrainConfig) -> torch.optim.Optimizer:
    """Adam with a group of weights and, where ranges are learned, a group of these, which do not decay."""
    learned = {id(exponent) for exponent in ranges}
    weights = [parameter for parameter in network.parameters() if id(parameter) not in learned]
    groups = [{"params": weights}, *([{"params": ranges, "weight_decay": 0.0}] if ranges else [])]
    return torch.optim.Adam(groups, lr=config.lr, weight_decay=config.weight_decay)


def train_epoch(
    network: nn.Module,
    averaged: AveragedModel | None,
    teacher: nn.Module | None,
    optimiser: torch.optim.Optimizer,
    samples: Samples,
    config: TrainConfig,
    epoch: int,
    fabric: Fabric,
    on_batch: Callable[[float], None],
) -> float:
    """One pass over ``samples``, drawn from a generator seeded by (seed, epoch); returns the mean loss.

    ``network`` and ``optimiser`` are as ``fabric`` set them up.
    """
    network.train()
    rates = (config.learning_rate(epoch), config.range_learning_rate(epoch))
    for group, rate in zip(optimiser.param_groups, rates, strict=False):
        group["lr"] = rate
    total, count = 0.0, 0
    batches = augmented_batches(
        samples,
        config.batch,
        torch.Generator().manual_seed(config.seed * 100_003 + epoch),
        augmentation=config.augmentation,
        rank=fabric.global_rank,
        processes=fabric.world_size,
    )
    for codes, masks in batches:
        loss = training_step(
            network,
            optimiser,
            network_input(codes, fabric.device),
            masks.to(fabric.device, torch.float32),
            precision=config.precision,
            teacher=teacher,
            distill=config.distill,
            backward=fabric.backward,
        )
        if averaged is not None:
            averaged.update_parameters(network.module)
        total, count = total + loss * len(codes), count + len(codes)
        on_batch(total / count)
    return float(fabric.all_reduce(torch.tensor(total / count, device=fabric.device), reduce_op="mean"))
