"""One training step: forward, loss, backward, Adam; shared by training and its benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from quant.data.pairs import to_input
from quant.layers.joined import join_passes
from quant.layers.pointwise import speed_up_pointwise

if TYPE_CHECKING:
    from collections.abc import Callable

    from quant.training.objective import Objective

_GRADIENT_NORM_LIMIT = 5.0


def speed_up(network: nn.Module) -> None:
    """Lets ``network``, which learns or teaches, use the faster kernels of training, here and in its copies."""
    join_passes(network)
    speed_up_pointwise(network)


def network_input(codes: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """Codes (B, 3, H, W) uint8 -> the network's input on ``device``, channels last as CPU and GPU kernels prefer."""
    return to_input(codes.to(device)).contiguous(memory_format=torch.channels_last)


def training_step(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    x: torch.Tensor,
    masks: torch.Tensor,
    objective: Objective,
    *,
    backward: Callable[[torch.Tensor], None] = torch.Tensor.backward,
) -> torch.Tensor:
    """One step on input ``x`` (B, 3, H, W) and float masks (B, 1, H, W); returns the loss () before it.

    Gradients are clipped in norm over the optimiser's first group of parameters.
    """
    loss = objective(network, x, masks)
    optimiser.zero_grad(set_to_none=True)
    backward(loss)
    nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], _GRADIENT_NORM_LIMIT)
    optimiser.step()
    return loss.detach()
