"""A factor and a shift per channel in the form of a BN: so a convolution without BN gets thresholds like any other."""

from __future__ import annotations

import torch
from torch import nn

_OF_IMAGES, _OF_VOLUMES = 4, 5  # axes of a tensor


class Norm(nn.BatchNorm2d):
    """A BN of images (B, C, H, W) or volumes (B, C, X, Y, Z): torch has a class for each, which differ by a check."""

    @classmethod
    def like(cls, norm: nn.BatchNorm2d | nn.BatchNorm3d) -> Norm:
        """With the factors and statistics of ``norm``; factors of one and shifts of zero where it has none."""
        made = cls(norm.num_features, norm.eps, norm.momentum)
        made.load_state_dict(norm.state_dict(), strict=False)
        return made.train(norm.training)

    @classmethod
    def of(
        cls,
        mean: torch.Tensor,
        variance: torch.Tensor,
        gain: torch.Tensor | None,
        shift: torch.Tensor | None,
        eps: float,
        momentum: float | None,
    ) -> Norm:
        """With these statistics (C,) and factors (C,), None: of one, and zero; in evaluation mode."""
        made = cls(len(mean), eps, momentum)
        values = {"running_mean": mean, "running_var": variance, "weight": gain, "bias": shift}
        made.load_state_dict({name: value for name, value in values.items() if value is not None}, strict=False)
        return made.eval()

    def _check_input_dim(self, input: torch.Tensor) -> None:
        if input.dim() not in (_OF_IMAGES, _OF_VOLUMES):
            raise ValueError(f"a BN takes images (B, C, H, W) or volumes (B, C, X, Y, Z), got {tuple(input.shape)}")


class FrozenNorm(Norm):
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
