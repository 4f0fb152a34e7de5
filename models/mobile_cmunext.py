"""Mobile-CMUNeXt and CMUNeXt-XXS: two residual depthwise convolutions a block, and skips that are summed.

Source: A. Carvalho, M. Vestias, "Fast Semantic Segmentation of Medical Images" (2025). The paper prints 0.04 M
parameters, 0.47 GMAC and depths 3,1,1,2,3; only depths 3,1,1,1,2 with a grouped 3x3 in the fusion give these numbers,
so both readings are registered. The paper adopts ReLU after measuring Hardswish: ``activation`` chooses.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from models.errors import ConfigError
from models.layers import Residual, Sum, Upsample2x, conv_act_norm, conv_norm_act
from models.registry import register

_ACTIVATIONS = {"relu": nn.ReLU, "hardswish": nn.Hardswish}


@dataclass(frozen=True, kw_only=True)
class MobileCMUNeXtConfig:
    """Channels, block depths and depthwise kernels of the five levels, top to bottom."""

    dims: tuple[int, ...]
    depths: tuple[int, ...]
    kernels: tuple[int, ...] = (3, 3, 7, 7, 9)
    fusion_groups: int = 1
    activation: str = "relu"
    in_channels: int = 3
    classes: int = 1
    input_size: int = 256

    def __post_init__(self) -> None:
        if not len(self.dims) == len(self.depths) == len(self.kernels) == 5:
            raise ConfigError("dims, depths and kernels must each have five entries, one per level")
        if self.activation not in _ACTIVATIONS:
            raise ConfigError(f"unknown activation '{self.activation}'; known: {', '.join(sorted(_ACTIVATIONS))}")


def block(channels: int, kernel: int, activation: type[nn.Module]) -> nn.Sequential:
    """Two depthwise KxK, each in a residual of its own, then 1x1 to four times the channels and back."""
    return nn.Sequential(
        Residual(conv_act_norm(channels, channels, kernel, activation, groups=channels)),
        Residual(conv_act_norm(channels, channels, kernel, activation, groups=channels)),
        conv_act_norm(channels, 4 * channels, 1, activation),
        conv_act_norm(4 * channels, channels, 1, activation),
    )


def encoder_stage(
    in_channels: int, out_channels: int, depth: int, kernel: int, activation: type[nn.Module]
) -> nn.Sequential:
    """``depth`` blocks, then a 3x3 convolution to ``out_channels``."""
    blocks = [block(in_channels, kernel, activation) for _ in range(depth)]
    return nn.Sequential(*blocks, conv_norm_act(in_channels, out_channels, 3, bias=True))


class SkipFusion(nn.Module):
    """Sums skip and decoder features and mixes them: one 3x3, 1x1 up, 1x1 down."""

    def __init__(self, channels: int, groups: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.sum = Sum()
        self.mix = nn.Sequential(
            conv_act_norm(channels, channels, 3, activation, groups=groups),
            conv_act_norm(channels, 4 * channels, 1, activation),
            conv_act_norm(4 * channels, channels, 1, activation),
        )

    def forward(self, skip: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return self.mix(self.sum(skip, x))  # (B, C, H, W), (B, C, H, W) -> (B, C, H, W)


class MobileCMUNeXt(nn.Module):
    """The network of the paper: (B, in_channels, H, W) -> logits (B, 1, H, W)."""

    DECODER = "fuse"

    def __init__(self, config: MobileCMUNeXtConfig) -> None:
        super().__init__()
        dims, activation = config.dims, _ACTIVATIONS[config.activation]
        self.stem = conv_norm_act(config.in_channels, dims[0], 3, bias=True)
        inputs = (dims[0], *dims[:-1])
        self.encoder = nn.ModuleList(
            encoder_stage(i, o, depth, kernel, activation)
            for i, o, depth, kernel in zip(inputs, dims, config.depths, config.kernels, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        levels = range(4, 0, -1)
        self.up = nn.ModuleList(
            nn.Sequential(Upsample2x(), conv_norm_act(dims[i], dims[i - 1], 3, bias=True)) for i in levels
        )
        self.fuse = nn.ModuleList(SkipFusion(dims[i - 1], config.fusion_groups, activation) for i in levels)
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
    "cmunext-xxs",
    "CMUNeXt-XXS: the depths and the grouped fusion that give the paper's 0.04 M parameters",
    MobileCMUNeXtConfig(dims=(8, 10, 12, 16, 24), depths=(3, 1, 1, 1, 2), fusion_groups=2),
    MobileCMUNeXt,
)
register(
    "cmunext-xxs-table2",
    "CMUNeXt-XXS with the depths of the paper's table II",
    MobileCMUNeXtConfig(dims=(8, 10, 12, 16, 24), depths=(3, 1, 1, 2, 3), fusion_groups=2),
    MobileCMUNeXt,
)
register(
    "mobile-cmunext",
    "Mobile-CMUNeXt: the paper's FPGA dims, dense fusion",
    MobileCMUNeXtConfig(dims=(8, 8, 16, 16, 24), depths=(3, 1, 1, 1, 2)),
    MobileCMUNeXt,
)
