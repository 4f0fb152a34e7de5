"""Operators shared by all networks, each a module of its own so that a quantized twin can replace it by type.

``Sum`` and ``Upsample2x`` carry no parameters; they exist because every sum and every bilinear output needs a
quantizer of its own on the accelerator, and a module can be found and replaced where ``+`` cannot.
"""

from __future__ import annotations

import torch
from torch import nn


class Sum(nn.Module):
    """Elementwise sum of two feature maps of one shape: a residual or a skip connection."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a + b  # (B, C, H, W)


class Concat(nn.Module):
    """Concatenation of feature maps along the channels."""

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return torch.cat(tensors, dim=1)  # (B, Ca, H, W), (B, Cb, H, W), ... -> (B, Ca + Cb + ..., H, W)


class Upsample2x(nn.Upsample):
    """Bilinear upsampling by two, ``align_corners=False``: weights are multiples of 1/16."""

    def __init__(self) -> None:
        super().__init__(scale_factor=2.0, mode="bilinear", align_corners=False)


class Residual(nn.Module):
    """``x + fn(x)``."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn
        self.sum = Sum()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.sum(x, self.fn(x))


def logit_head(in_channels: int, classes: int) -> nn.Conv2d:
    """1x1 convolution from features to logits."""
    return nn.Conv2d(in_channels, classes, 1)


def conv_norm_act(
    in_channels: int,
    out_channels: int,
    kernel: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool,
) -> nn.Sequential:
    """Convolution, then BN, then ReLU: the order that folds into integer thresholds."""
    shape = {"stride": stride, "padding": dilation * (kernel // 2), "dilation": dilation, "groups": groups}
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, **shape, bias=bias),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


def conv_act_norm(
    in_channels: int, out_channels: int, kernel: int, activation: type[nn.Module], *, groups: int = 1
) -> nn.Sequential:
    """Convolution with bias, then the activation, then BN: the order of the published CMUNeXt blocks."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, groups=groups, bias=True),
        activation(),
        nn.BatchNorm2d(out_channels),
    )
