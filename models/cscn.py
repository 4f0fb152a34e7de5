"""The two stages of CSCN: ``bunet`` finds the tumour, ``acdnet`` delineates it.

Source: Y. Guo et al., "MRI image segmentation of nasopharyngeal carcinoma using multi-scale cascaded fully
convolutional network", 2021. Of
BUNet it states a 3D U-Net on blocks of 24x24x8; here it is that of O. Cicek et al., "3D U-Net", MICCAI 2016: with
three channels and classes 19,069,955 parameters beside those of its BNs, BN before each ReLU, 2x2x2 pools and
transposed convolutions.

Of ACDNet it states: DenseNet as backbone; a unit is convolution, BN, ReLU; in front of each block's bottleneck, a 1^3
convolution that compresses, an ASPP module; features of several views are fused in upsampling; the first network's
output is the input. Not stated, and chosen here: five blocks over three resolutions in the shape of a U, each of four
units that add 16 channels; rates 1, 2, 3 (a block of 24x24x8 is 6x6x2 at the bottom), a third of the block's channels
each; bottlenecks to half of the channels; 2x2x2 max-pools; trilinear upsampling and concatenation; two input channels,
the image and the first network's probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from models.errors import ConfigError
from models.layers3d import conv_norm_act3d, require_divisible, upsample_conv3d
from models.registry import register


@dataclass(frozen=True, kw_only=True)
class BUNetConfig:
    """``dims``: channels of the four levels' first convolutions but one; the second has twice as many."""

    dims: tuple[int, ...] = (32, 64, 128, 256)
    in_channels: int = 1
    classes: int = 1
    input_size: tuple[int, int, int] = (24, 24, 8)

    def __post_init__(self) -> None:
        if len(self.dims) < 2:
            raise ConfigError(f"dims must have at least two entries, one a level, got {self.dims}")


def _unit(in_channels: int, out_channels: int, kernel: int = 3, *, dilation: int = 1) -> nn.Sequential:
    return conv_norm_act3d(in_channels, out_channels, kernel, dilation=dilation, norm=nn.BatchNorm3d, act=nn.ReLU)


class BUNet(nn.Module):
    """3D U-Net: (B, in_channels, X, Y, Z) -> logits (B, 1, X, Y, Z)."""

    def __init__(self, config: BUNetConfig) -> None:
        super().__init__()
        inputs = (config.in_channels, *(2 * width for width in config.dims[:-1]))
        self.down = nn.ModuleList(
            nn.Sequential(_unit(i, width), _unit(width, 2 * width))
            for i, width in zip(inputs, config.dims, strict=True)
        )
        self.pool = nn.MaxPool3d(2)
        below = [2 * width for width in config.dims[:0:-1]]
        skips = [2 * width for width in config.dims[-2::-1]]
        self.up = nn.ModuleList(upsample_conv3d(width, width) for width in below)
        self.mix = nn.ModuleList(
            nn.Sequential(_unit(i + skip, skip), _unit(skip, skip)) for i, skip in zip(below, skips, strict=True)
        )
        self.head = nn.Conv3d(skips[-1], config.classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, X, Y, Z) -> (B, classes, X, Y, Z) logits; sides are multiples of 2**(levels - 1)."""
        require_divisible(x, 2 ** (len(self.down) - 1))
        skips = []
        for level, stage in enumerate(self.down):
            x = stage(x if level == 0 else self.pool(x))  # (B, 2 dims[level], X / 2**level, ...)
            skips.append(x)
        for up, mix, skip in zip(self.up, self.mix, skips[-2::-1], strict=True):
            x = mix(torch.cat((skip, up(x)), dim=1))
        return self.head(x)


@dataclass(frozen=True, kw_only=True)
class ACDNetConfig:
    """``growth``: channels that each of a block's ``units`` adds; ``rates``: dilations of the ASPP branches."""

    stem: int = 32
    growth: int = 16
    units: int = 4
    rates: tuple[int, ...] = (1, 2, 3)
    in_channels: int = 2
    classes: int = 1
    input_size: tuple[int, int, int] = (24, 24, 8)


class DenseBlock(nn.Module):
    """Units that each read all before them, then ASPP, then the bottleneck to ``out_channels``, half of the width."""

    def __init__(self, in_channels: int, config: ACDNetConfig) -> None:
        super().__init__()
        inputs = [in_channels + index * config.growth for index in range(config.units + 1)]
        self.units = nn.ModuleList(_unit(i, config.growth) for i in inputs[:-1])
        width = inputs[-1]
        branch = width // len(config.rates)
        self.pyramid = nn.ModuleList(_unit(width, branch, dilation=rate) for rate in config.rates)
        self.out_channels = width // 2
        self.bottleneck = _unit(branch * len(config.rates), self.out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for unit in self.units:
            x = torch.cat((x, unit(x)), dim=1)
        return self.bottleneck(torch.cat([branch(x) for branch in self.pyramid], dim=1))


class ACDNet(nn.Module):
    """Dense blocks with ASPP: (B, in_channels, X, Y, Z) -> logits (B, 1, X, Y, Z)."""

    def __init__(self, config: ACDNetConfig) -> None:
        super().__init__()
        self.stem = _unit(config.in_channels, config.stem)
        self.down1 = DenseBlock(config.stem, config)
        self.down2 = DenseBlock(self.down1.out_channels, config)
        self.bottom = DenseBlock(self.down2.out_channels, config)
        self.up2 = DenseBlock(self.bottom.out_channels + self.down2.out_channels, config)
        self.up1 = DenseBlock(self.up2.out_channels + self.down1.out_channels, config)
        self.pool = nn.MaxPool3d(2)
        self.grow = nn.Upsample(scale_factor=2, mode="trilinear", align_corners=False)
        self.head = nn.Conv3d(self.up1.out_channels, config.classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, X, Y, Z) -> (B, classes, X, Y, Z) logits; sides are multiples of 4."""
        require_divisible(x, 4)
        x1 = self.down1(self.stem(x))
        x2 = self.down2(self.pool(x1))  # (B, ., X / 2, ...)
        x3 = self.bottom(self.pool(x2))  # (B, ., X / 4, ...)
        x2 = self.up2(torch.cat((self.grow(x3), x2), dim=1))
        return self.head(self.up1(torch.cat((self.grow(x2), x1), dim=1)))


register("bunet", "3D U-Net, the coarse stage of CSCN", BUNetConfig(), BUNet)
register("acdnet", "dense blocks with ASPP, the fine stage of CSCN", ACDNetConfig(), ACDNet)
