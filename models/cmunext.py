"""CMUNeXt: a U-shaped network of large-kernel depthwise blocks, as published.

Source: F. Tang, J. Ding, L. Wang, C. Ning, S. K. Zhou, "CMUNeXt: an efficient medical image segmentation network based
on large kernel and skip fusion", ISBI 2024. Every convolution has a bias and the blocks run convolution, GELU, BN, so
nothing of it folds into thresholds: see ``cmunext_hw.py`` for the variant that does.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from models.errors import ConfigError
from models.layers import Concat, Residual, Upsample2x, conv_act_norm, conv_norm_act
from models.registry import register


@dataclass(frozen=True, kw_only=True)
class CMUNeXtConfig:
    """Channels, block depths and depthwise kernels of the five levels, top to bottom."""

    dims: tuple[int, ...]
    depths: tuple[int, ...]
    kernels: tuple[int, ...]
    in_channels: int = 3
    classes: int = 1
    input_size: int = 256

    def __post_init__(self) -> None:
        if not len(self.dims) == len(self.depths) == len(self.kernels) == 5:
            raise ConfigError("dims, depths and kernels must each have five entries, one per level")
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ConfigError(f"kernels must be odd, got {self.kernels}")


def block(channels: int, kernel: int) -> nn.Sequential:
    """Residual depthwise KxK, then 1x1 to four times the channels and back."""
    return nn.Sequential(
        Residual(conv_act_norm(channels, channels, kernel, nn.GELU, groups=channels)),
        conv_act_norm(channels, 4 * channels, 1, nn.GELU),
        conv_act_norm(4 * channels, channels, 1, nn.GELU),
    )


def encoder_stage(in_channels: int, out_channels: int, depth: int, kernel: int) -> nn.Sequential:
    """``depth`` blocks, then a 3x3 convolution to ``out_channels``."""
    blocks = [block(in_channels, kernel) for _ in range(depth)]
    return nn.Sequential(*blocks, conv_norm_act(in_channels, out_channels, 3, bias=True))


class SkipFusion(nn.Module):
    """Concatenates skip and decoder features and mixes them: grouped 3x3, 1x1 up, 1x1 down."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.concat = Concat()
        self.mix = nn.Sequential(
            conv_act_norm(2 * channels, 2 * channels, 3, nn.GELU, groups=2),
            conv_act_norm(2 * channels, 4 * channels, 1, nn.GELU),
            conv_act_norm(4 * channels, channels, 1, nn.GELU),
        )

    def forward(self, skip: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return self.mix(self.concat(skip, x))  # (B, C, H, W), (B, C, H, W) -> (B, C, H, W)


class CMUNeXt(nn.Module):
    """The network as published: (B, in_channels, H, W) -> logits (B, 1, H, W)."""

    DECODER = "fuse"

    def __init__(self, config: CMUNeXtConfig) -> None:
        super().__init__()
        dims = config.dims
        self.stem = conv_norm_act(config.in_channels, dims[0], 3, bias=True)
        inputs = (dims[0], *dims[:-1])
        self.encoder = nn.ModuleList(
            encoder_stage(i, o, depth, kernel)
            for i, o, depth, kernel in zip(inputs, dims, config.depths, config.kernels, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        levels = range(4, 0, -1)
        self.up = nn.ModuleList(
            nn.Sequential(Upsample2x(), conv_norm_act(dims[i], dims[i - 1], 3, bias=True)) for i in levels
        )
        self.fuse = nn.ModuleList(SkipFusion(dims[i - 1]) for i in levels)
        self.head = nn.Conv2d(dims[0], config.classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1) -> (B, classes, H, W) logits; H and W are multiples of 16."""
        x = self.stem(x)
        skips = []
        for level, stage in enumerate(self.encoder):
            x = stage(x if level == 0 else self.pool(x))  # (B, dims[level], H / 2**level, W / 2**level)
            skips.append(x)
        for up, fuse, skip in zip(self.up, self.fuse, skips[-2::-1], strict=True):
            x = fuse(skip, up(x))
        return self.head(x)


register(
    "cmunext-s",
    "CMUNeXt-S as published",
    CMUNeXtConfig(dims=(8, 16, 32, 64, 128), depths=(1, 1, 1, 1, 1), kernels=(3, 3, 7, 7, 9)),
    CMUNeXt,
)
register(
    "cmunext",
    "CMUNeXt as published",
    CMUNeXtConfig(dims=(16, 32, 128, 160, 256), depths=(1, 1, 1, 3, 1), kernels=(3, 3, 7, 7, 7)),
    CMUNeXt,
)
register(
    "cmunext-l",
    "CMUNeXt-L as published",
    CMUNeXtConfig(dims=(32, 64, 128, 256, 512), depths=(1, 1, 1, 6, 3), kernels=(3, 3, 7, 7, 7)),
    CMUNeXt,
)
