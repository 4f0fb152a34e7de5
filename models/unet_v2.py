"""U-Net v2: a PVTv2-b2 encoder whose four levels are refined by attention and multiplied with one another.

Source: Y. Peng, M. Sonka, D. Z. Chen, "U-Net v2: rethinking the skip connections of U-Net for medical image
segmentation", 2023. Each level passes a gate by channel and one by place and a 1x1 to few channels; each of four
fusions resizes all levels to its own size, passes each through a 3x3 and multiplies them; the decoder doubles the size
by a transposed 4x4 and adds; logits are made at a quarter of the size and enlarged.

``unet-v2`` is what table III of Carvalho & Vestias 2025 measures (24.90 M parameters, 5.10 GMAC): 3 channels in the
fusions, where the authors' default is 32 (``fusion`` chooses). One of the four transposed convolutions is never run, as
in the authors' code; it is kept so that parameters agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from models.errors import ConfigError
from models.pvt import PVT, PVT_V2_B2
from models.registry import register

_SQUEEZE = 16
_TO_FULL_SIZE = 4


@dataclass(frozen=True, kw_only=True)
class UNetV2Config:
    """``fusion``: channels of all levels behind the encoder."""

    fusion: int = 3
    in_channels: int = 3
    classes: int = 1
    input_size: int = 256

    def __post_init__(self) -> None:
        if self.fusion < 1:
            raise ConfigError(f"fusion must be at least 1 channel, got {self.fusion}")


class ChannelGate(nn.Module):
    """Factors (B, C, 1, 1) of the channels' means and maxima."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.average, self.maximum = nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1)
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, channels // _SQUEEZE, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(channels // _SQUEEZE, channels, 1, bias=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.mlp(self.average(x)) + self.mlp(self.maximum(x)))


class PlaceGate(nn.Module):
    """Factors (B, 1, H, W) of the mean and the maximum over the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.conv(torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)))


class Refined(nn.Module):
    """A level of the encoder through both gates and a 1x1: (B, C, H, W) -> (B, fusion, H, W)."""

    def __init__(self, channels: int, fusion: int) -> None:
        super().__init__()
        self.channels, self.place = ChannelGate(channels), PlaceGate()
        self.narrow = nn.Sequential(nn.Conv2d(channels, fusion, 1, bias=False), nn.BatchNorm2d(fusion))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.channels(x) * x
        return self.narrow(self.place(x) * x)


class Fusion(nn.Module):
    """Product of all levels at the size of one, each through a 3x3 of its own."""

    def __init__(self, channels: int, levels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(levels))

    def forward(self, levels: list[torch.Tensor], size: torch.Size) -> torch.Tensor:
        product = None
        for conv, level in zip(self.convs, levels, strict=True):
            made = conv(_resized(level, size))
            product = made if product is None else product * made
        return product


def _resized(x: torch.Tensor, size: torch.Size) -> torch.Tensor:
    if x.shape[2] > size[0]:
        return F.adaptive_avg_pool2d(x, size)
    return x if x.shape[2] == size[0] else F.interpolate(x, size=size, mode="bilinear", align_corners=True)


class UNetV2(nn.Module):
    """The network as published: (B, in_channels, H, W) -> logits (B, 1, H, W)."""

    def __init__(self, config: UNetV2Config) -> None:
        super().__init__()
        dims, fusion = PVT_V2_B2.dims, config.fusion
        self.encoder = PVT(PVT_V2_B2, config.in_channels)
        self.refine = nn.ModuleList(Refined(channels, fusion) for channels in dims)
        self.fuse = nn.ModuleList(Fusion(fusion, len(dims)) for _ in dims)
        self.grow = nn.ModuleList(nn.ConvTranspose2d(fusion, fusion, 4, stride=2, padding=1, bias=False) for _ in dims)
        self.heads = nn.ModuleList(nn.Conv2d(fusion, config.classes, 1) for _ in dims)

    def deep_logits(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, 3, H, W) -> logits of the four levels, bottom to top, each enlarged fourfold: the last has H x W."""
        levels = [refine(level) for refine, level in zip(self.refine, self.encoder(x), strict=True)]
        fused = [fuse(levels, level.shape[2:]) for fuse, level in zip(self.fuse, levels, strict=True)]
        y, logits = fused[-1], []
        for index, head in enumerate(self.heads):
            if index > 0:
                y = self.grow[index - 1](y) + fused[-1 - index]
            logits.append(F.interpolate(head(y), scale_factor=float(_TO_FULL_SIZE), mode="bilinear"))
        return logits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1) -> (B, classes, H, W) logits; H and W are multiples of 32."""
        return self.deep_logits(x)[-1]


register("unet-v2", "U-Net v2: PVTv2-b2 encoder, levels multiplied", UNetV2Config(), UNetV2)
