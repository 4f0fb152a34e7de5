"""CMUNeXt-XXS for hardware: convolution, BN, ReLU in that order everywhere, so that all of it folds into thresholds.

The network of Carvalho & Vestias 2025 (see ``mobile_cmunext.py``) with what FINN can fold: no bias before a BN, ReLU
last, dense 3x3 in the skip fusion, a bias in the head alone.

``cmunext-s-hw`` has the channels, depths and kernels of the published CMUNeXt-S (Tang et al. 2024, ``cmunext.py``) with
these blocks (two depthwise layers each) and this skip fusion (a sum, one dense 3x3): a wider network to scale with, not
a published one. No trained weights of it are shipped.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from models.errors import ConfigError
from models.layers import Residual, Sum, Upsample2x, conv_norm_act
from models.registry import register


@dataclass(frozen=True, kw_only=True)
class CMUNeXtHwConfig:
    """Channels, block depths and depthwise kernels of the levels, top to bottom (any number of levels)."""

    dims: tuple[int, ...]
    depths: tuple[int, ...]
    kernels: tuple[int, ...]
    in_channels: int = 3
    classes: int = 1
    input_size: int = 256

    def __post_init__(self) -> None:
        if not len(self.dims) == len(self.depths) == len(self.kernels) >= 1:
            raise ConfigError("dims, depths and kernels must have the same number of entries, one per level")
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ConfigError(f"kernels must be odd, got {self.kernels}")


def layer(in_channels: int, out_channels: int, kernel: int, groups: int = 1) -> nn.Sequential:
    """Convolution without bias, BN, ReLU."""
    return conv_norm_act(in_channels, out_channels, kernel, groups=groups, bias=False)


def block(channels: int, kernel: int) -> nn.Sequential:
    """Two depthwise KxK, each in a residual of its own, then 1x1 to four times the channels and back."""
    return nn.Sequential(
        Residual(layer(channels, channels, kernel, groups=channels)),
        Residual(layer(channels, channels, kernel, groups=channels)),
        layer(channels, 4 * channels, 1),
        layer(4 * channels, channels, 1),
    )


def encoder_stage(in_channels: int, out_channels: int, depth: int, kernel: int) -> nn.Sequential:
    """``depth`` blocks, then a 3x3 convolution to ``out_channels``."""
    return nn.Sequential(*(block(in_channels, kernel) for _ in range(depth)), layer(in_channels, out_channels, 3))


class SkipFusion(nn.Module):
    """Sums skip and decoder features and mixes them: one dense 3x3, 1x1 up, 1x1 down."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.sum = Sum()
        self.mix = nn.Sequential(
            layer(channels, channels, 3), layer(channels, 4 * channels, 1), layer(4 * channels, channels, 1)
        )

    def forward(self, skip: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return self.mix(self.sum(skip, x))  # (B, C, H, W), (B, C, H, W) -> (B, C, H, W)


class CMUNeXtHw(nn.Module):
    """The network as the hardware folds it: (B, in_channels, H, W) -> logits (B, 1, H, W)."""

    DECODER = "fuse"

    def __init__(self, config: CMUNeXtHwConfig) -> None:
        super().__init__()
        dims = config.dims
        self.stem = layer(config.in_channels, dims[0], 3)
        inputs = (dims[0], *dims[:-1])
        self.encoder = nn.ModuleList(
            encoder_stage(i, o, depth, kernel)
            for i, o, depth, kernel in zip(inputs, dims, config.depths, config.kernels, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        levels = range(len(dims) - 1, 0, -1)
        self.up = nn.ModuleList(nn.Sequential(Upsample2x(), layer(dims[i], dims[i - 1], 3)) for i in levels)
        self.fuse = nn.ModuleList(SkipFusion(dims[i - 1]) for i in levels)
        self.head = nn.Conv2d(dims[0], config.classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1) -> (B, classes, H, W) logits; H and W are multiples of 2**(levels - 1)."""
        x = self.stem(x)
        skips = []
        for level, stage in enumerate(self.encoder):
            x = stage(x if level == 0 else self.pool(x))  # (B, dims[level], H / 2**level, W / 2**level)
            skips.append(x)
        for up, fuse, skip in zip(self.up, self.fuse, skips[-2::-1], strict=True):
            x = fuse(skip, up(x))
        return self.head(x)


register(
    "cmunext-xxs-hw",
    "CMUNeXt-XXS as the hardware folds it; the network of the demo",
    CMUNeXtHwConfig(dims=(8, 10, 12, 16, 24), depths=(3, 1, 1, 1, 2), kernels=(3, 3, 7, 7, 9)),
    CMUNeXtHw,
)
register(
    "cmunext-s-hw",
    "channels, depths and kernels of CMUNeXt-S in these blocks; no trained weights are shipped",
    CMUNeXtHwConfig(dims=(8, 16, 32, 64, 128), depths=(1, 1, 1, 1, 1), kernels=(3, 3, 7, 7, 9)),
    CMUNeXtHw,
)
register(
    "cmunext-tiny-hw",
    "two levels of the same blocks, for quick trials of the whole flow",
    CMUNeXtHwConfig(dims=(4, 6), depths=(1, 1), kernels=(3, 5), input_size=32),
    CMUNeXtHw,
)
