"""A plain three-level U-Net: two 3x3 a level, max-pool, bilinear up, concatenated skips.

Source of the structure: O. Ronneberger, P. Fischer, T. Brox, "U-Net", MICCAI 2015, reduced to three levels, with
convolution, BN, ReLU. It is the worked example of docs/how-to/own-network.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from models.errors import ConfigError
from models.layers import Concat, Upsample2x, conv_norm_act
from models.registry import register


@dataclass(frozen=True, kw_only=True)
class UNet3Config:
    """Channels of the three levels, top to bottom."""

    dims: tuple[int, ...]
    in_channels: int = 3
    classes: int = 1
    input_size: int = 64

    def __post_init__(self) -> None:
        if len(self.dims) != 3:
            raise ConfigError(f"dims must have three entries, one per level, got {self.dims}")


def double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two times 3x3, BN, ReLU."""
    return nn.Sequential(
        conv_norm_act(in_channels, out_channels, 3, bias=False),
        conv_norm_act(out_channels, out_channels, 3, bias=False),
    )


class UNet3(nn.Module):
    """U-Net of three levels: (B, in_channels, H, W) -> logits (B, 1, H, W)."""

    def __init__(self, config: UNet3Config) -> None:
        super().__init__()
        top, middle, bottom = config.dims
        self.down1 = double_conv(config.in_channels, top)
        self.down2 = double_conv(top, middle)
        self.down3 = double_conv(middle, bottom)
        self.pool = nn.MaxPool2d(2)
        self.grow2, self.grow1 = Upsample2x(), Upsample2x()
        self.concat2, self.concat1 = Concat(), Concat()
        self.up2 = double_conv(middle + bottom, middle)
        self.up1 = double_conv(top + middle, top)
        self.head = nn.Conv2d(top, config.classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1) -> (B, classes, H, W) logits; H and W are multiples of 4."""
        x1 = self.down1(x)
        x2 = self.down2(self.pool(x1))  # (B, middle, H / 2, W / 2)
        x3 = self.down3(self.pool(x2))  # (B, bottom, H / 4, W / 4)
        x2 = self.up2(self.concat2(x2, self.grow2(x3)))
        return self.head(self.up1(self.concat1(x1, self.grow1(x2))))


register("unet3", "plain three-level U-Net, 8-16-32 channels", UNet3Config(dims=(8, 16, 32)), UNet3)
