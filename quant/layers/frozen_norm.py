"""A factor and a shift per channel in the form of a BN: so a convolution without BN gets thresholds like any other."""

from __future__ import annotations

import torch
from torch import nn


class FrozenNorm(nn.BatchNorm2d):
    """y = weight * x + bias per channel: a BN of mean 0 and variance 1 that takes no statistics, in training neither.

    Args:
        gain, shift: (C,) float32.
    """

    def __init__(self, gain: torch.Tensor, shift: torch.Tensor) -> None:
        super().__init__(len(gain), eps=0.0)
        with torch.no_grad():
            self.weight.copy_(gain)
            self.bias.copy_(shift)
        self.training = False

    def train(self, mode: bool = True) -> FrozenNorm:
        """As of ``nn.Module``, but the statistics stay."""
        super().train(mode)
        self.training = False
        return self


def affine_of(norm: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """Gain and shift (C,) float64 of a BN at inference."""
    deviation = torch.sqrt(norm.running_var.double() + norm.eps)
    gain = (norm.weight.detach().double() if norm.affine else torch.ones_like(deviation)) / deviation
    shift = norm.bias.detach().double() if norm.affine else torch.zeros_like(deviation)
    return gain, shift - norm.running_mean.double() * gain
