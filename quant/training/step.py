"""One training step: forward, loss, backward, Adam; shared by training and its benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from quant.data.pairs import to_input
from quant.training.loss import distillation_loss, segmentation_loss, soft_target_loss

if TYPE_CHECKING:
    from collections.abc import Callable

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
    kind: str = "bce-dice",
    epoch: int = 0,
    teacher: nn.Module | None = None,
    distill: float = 0.0,
    backward: Callable[[torch.Tensor], None] = torch.Tensor.backward,
) -> torch.Tensor:
    """One step on input ``x`` (B, 3, H, W) and float masks (B, 1, H, W); returns the loss () before it.

    The teacher is a network, or spoke beforehand: its probabilities are further channels of ``masks``. ``kind`` and
    ``epoch`` are of ``segmentation_loss``. Gradients are clipped in norm over the optimiser's first group of
    parameters.
    """
    with torch.autocast(x.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        logits = network(x)
        if teacher is not None:
            with torch.no_grad():
                teacher_logits = teacher(x)
    loss = segmentation_loss(logits.float(), masks[:, :1], kind, epoch)
    if masks.shape[1] > 1:
        loss = loss + distill * soft_target_loss(logits.float(), masks[:, 1:])
    if teacher is not None:
        loss = loss + distill * distillation_loss(logits.float(), teacher_logits.float())
    optimiser.zero_grad(set_to_none=True)
    backward(loss)
    nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], _GRADIENT_NORM_LIMIT)
    optimiser.step()
    return loss.detach()
