"""MDR-UNet: a 3D residual U-Net with ASPP in its skips; ``mdr-unet-1`` for the scan, ``mdr-unet-2`` for a crop of it.

Source: G. Yang et al., "Multiscale local enhancement deep convolutional networks for the automated 3D segmentation of
gross tumor volumes in nasopharyngeal carcinoma", Frontiers in Oncology 12 (2022) 827991. It states: convolution block
and residual block at each level of encoder and decoder, 11 residual and 5 ASPP blocks; 32 channels, doubled a level,
at most 512 (stage 1) and 1024 (stage 2); instance norm, leaky ReLU, sigmoid; two channels (CT without and with
contrast); windows of 128x128x64 and 96x64x32; larger dilations in stage 1, smaller ones with dropout (ASPP of DeepLab
v3+) in stage 2, and dropout at the encoder's end there.

Not stated, and chosen here: two convolutions 3^3 in a residual block; stride 2 in the convolution block; transposed
convolutions 2^3; ASPP branches as wide as their skip (a 1^3, three dilated 3^3, in stage 2 a global mean, joined by a
1^3); rates 2, 4, 6 and 1, 2, 3, since the lowest skip of stage 1 has 8x8x4 elements; dropout 0.2 of whole channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from models.layers3d import LEAK, NORMS, conv_norm_act3d, require_divisible, require_norm, upsample_conv3d
from models.registry import register

if TYPE_CHECKING:
    from collections.abc import Callable

_DROPOUT = 0.2
LEVELS = 6


@dataclass(frozen=True, kw_only=True)
class MDRUNetConfig:
    """``most_channels``: where doubling ends; ``rates``: dilations; ``is_local``: with global mean and dropout;
    ``norm``: "instance", or "batch", which has an integer form.
    """

    most_channels: int
    rates: tuple[int, int, int]
    is_local: bool
    width: int = 32
    norm: str = "instance"
    in_channels: int = 2
    classes: int = 1
    input_size: tuple[int, int, int]

    def __post_init__(self) -> None:
        require_norm(self.norm)

    @property
    def dims(self) -> tuple[int, ...]:
        """Channels of the levels, top to bottom."""
        return tuple(min(self.width << level, self.most_channels) for level in range(LEVELS))


class ResidualBlock(nn.Module):
    """Two 3x3x3 convolutions with ``norm``, the input added."""

    def __init__(self, channels: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.first = conv_norm_act3d(channels, channels, norm=norm)
        self.second = nn.Sequential(nn.Conv3d(channels, channels, 3, padding=1), norm(channels))
        self.act = nn.LeakyReLU(LEAK)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(x + self.second(self.first(x)))


class GlobalMean(nn.Module):
    """The mean of each channel, mixed by a 1^3 convolution, at every voxel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.mix = nn.Sequential(nn.Conv3d(channels, channels, 1), nn.LeakyReLU(LEAK))  # one element: nothing to norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mix(self.pool(x)).expand_as(x)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: what several dilations see, joined (L.-C. Chen et al., TPAMI 40 (2018) 834)."""

    def __init__(
        self, channels: int, rates: tuple[int, int, int], is_local: bool, norm: Callable[[int], nn.Module]
    ) -> None:
        super().__init__()
        branches = [conv_norm_act3d(channels, channels, 1, norm=norm)]
        branches += [conv_norm_act3d(channels, channels, dilation=rate, norm=norm) for rate in rates]
        if is_local:
            branches.append(GlobalMean(channels))
        self.branches = nn.ModuleList(branches)
        self.join = nn.Sequential(
            conv_norm_act3d(len(branches) * channels, channels, 1, norm=norm),
            nn.Dropout3d(_DROPOUT) if is_local else nn.Identity(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.join(torch.cat([branch(x) for branch in self.branches], dim=1))


def _level(in_channels: int, out_channels: int, norm: Callable[[int], nn.Module], stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        conv_norm_act3d(in_channels, out_channels, stride=stride, norm=norm), ResidualBlock(out_channels, norm)
    )


class MDRUNet(nn.Module):
    """3D residual U-Net with ASPP in its skips: (B, in_channels, X, Y, Z) -> logits (B, 1, X, Y, Z)."""

    def __init__(self, config: MDRUNetConfig) -> None:
        super().__init__()
        dims, norm = config.dims, NORMS[config.norm]
        inputs = (config.in_channels, *dims[:-1])
        self.down = nn.ModuleList(
            _level(i, o, norm, stride=1 if level == 0 else 2)
            for level, (i, o) in enumerate(zip(inputs, dims, strict=True))
        )
        self.dropout = nn.Dropout3d(_DROPOUT) if config.is_local else nn.Identity()
        self.skips = nn.ModuleList(ASPP(width, config.rates, config.is_local, norm) for width in dims[-2::-1])
        self.up = nn.ModuleList(upsample_conv3d(i, o) for i, o in zip(dims[:0:-1], dims[-2::-1], strict=True))
        self.mix = nn.ModuleList(_level(2 * width, width, norm) for width in dims[-2::-1])
        self.head = nn.Conv3d(dims[0], config.classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, X, Y, Z) -> (B, classes, X, Y, Z) logits; sides are multiples of 32."""
        require_divisible(x, 2 ** (LEVELS - 1))
        features = []
        for stage in self.down:
            x = stage(x)  # (B, dims[level], X / 2**level, ...)
            features.append(x)
        x = self.dropout(x)
        for up, skip, mix, feature in zip(self.up, self.skips, self.mix, features[-2::-1], strict=True):
            x = mix(torch.cat((up(x), skip(feature)), dim=1))
        return self.head(x)


for _norm in NORMS:
    _end, _told = ("", "") if _norm == "instance" else ("-bn", ", batch norm")
    register(
        f"mdr-unet-1{_end}",
        f"3D Res-UNet with ASPP in the skips, the coarse stage of CMDR-UNet{_told}",
        MDRUNetConfig(most_channels=512, rates=(2, 4, 6), is_local=False, norm=_norm, input_size=(128, 128, 64)),
        MDRUNet,
    )
    register(
        f"mdr-unet-2{_end}",
        f"the same for a crop, the fine stage of CMDR-UNet{_told}",
        MDRUNetConfig(most_channels=1024, rates=(1, 2, 3), is_local=True, norm=_norm, input_size=(96, 64, 32)),
        MDRUNet,
    )
