"""U-Net++: a triangle of nodes between encoder and decoder, each fed by all nodes of its level before it.

Source: Z. Zhou, M. M. Rahman Siddiquee, N. Tajbakhsh, J. Liang, "UNet++: a nested U-Net architecture for medical image
segmentation", DLMIA 2018. The form measured in table III of Carvalho & Vestias 2025 (9.16 M parameters, 34.90 GMAC): 32
to 512 channels, two 3x3 without bias a node, bilinear x2 whose corners are aligned, no deep supervision.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from models.errors import ConfigError
from models.layers import Concat
from models.registry import register
from models.unet import double_conv


@dataclass(frozen=True, kw_only=True)
class UNetPlusPlusConfig:
    """Channels of the levels, top to bottom (at least two)."""

    dims: tuple[int, ...] = (32, 64, 128, 256, 512)
    in_channels: int = 3
    classes: int = 1
    input_size: int = 256

    def __post_init__(self) -> None:
        if len(self.dims) < 2:
            raise ConfigError(f"dims must have at least two entries, one a level, got {self.dims}")


class UNetPlusPlus(nn.Module):
    """Node (level, column) reads the nodes of its level in all columns before, and the one below and before it."""

    def __init__(self, config: UNetPlusPlusConfig) -> None:
        super().__init__()
        dims = self.dims = config.dims
        self.pool = nn.MaxPool2d(2)
        self.grow = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.concat = Concat()
        self.nodes = nn.ModuleDict()
        for level, channels in enumerate(dims):
            above = config.in_channels if level == 0 else dims[level - 1]
            self.nodes[f"{level}_0"] = double_conv(above, channels, bias=False)
            for column in range(1, len(dims) - level):
                self.nodes[f"{level}_{column}"] = double_conv(column * channels + dims[level + 1], channels, bias=False)
        self.head = nn.Conv2d(dims[0], config.classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1) -> (B, classes, H, W) logits; H and W are multiples of 2**(levels - 1)."""
        rows: list[list[torch.Tensor]] = []  # of each level: its nodes' outputs (B, dims[level], H / 2**level, ...)
        for level in range(len(self.dims)):
            x = self.nodes[f"{level}_0"](x if level == 0 else self.pool(x))
            rows.append([x])
            for above in range(level - 1, -1, -1):  # the diagonal that this level completes
                column = level - above
                joined = self.concat(*rows[above], self.grow(rows[above + 1][column - 1]))
                rows[above].append(self.nodes[f"{above}_{column}"](joined))
        return self.head(rows[0][-1])


register("unetpp", "U-Net++, 32 to 512 channels", UNetPlusPlusConfig(), UNetPlusPlus)
