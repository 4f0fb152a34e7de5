"""UNeXt-S: three convolutional and two tokenized levels, whose MLPs mix pixels by shifting groups of channels.

Source: J. M. J. Valanarasu, V. M. Patel, "UNeXt: MLP-based rapid medical image segmentation network", MICCAI 2022, in
its small size (convolutions 8-16-32, tokens 64 and 128). It is the UNeXt of table III of Carvalho & Vestias 2025 (0.25
M parameters, 0.10 GMAC), which cites another paper of that name.

A tokenized block is: LayerNorm, five groups of channels shifted by -2 to 2 rows, linear layer, depthwise 3x3, GELU, the
groups shifted by -2 to 2 columns, linear layer; the block's input is added. Skips are added, not concatenated.

``unext-s-hw`` (``UNeXtHw``) chooses: a convolution's BN for the LayerNorms, ReLU for GELU, ReLU behind the second
linear layer too, so that sums are of unsigned codes, ReLU before the bilinear upsampling, no bias but the head's.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from models.errors import ConfigError
from models.layers import Residual, Sum, Upsample2x, conv_norm_act
from models.registry import register

_SHIFTS = (-2, -1, 0, 1, 2)  # pixels, of the five groups of channels


@dataclass(frozen=True, kw_only=True)
class UNeXtConfig:
    """Channels of the three convolutional levels and the two tokenized ones, top to bottom."""

    dims: tuple[int, ...]
    in_channels: int = 3
    classes: int = 1
    input_size: int = 256

    def __post_init__(self) -> None:
        if len(self.dims) != 5:
            raise ConfigError(f"dims must have five entries, three of convolutions and two of tokens, got {self.dims}")


class GroupShift(nn.Module):
    """Moves the g-th of five groups of channels by g - 2 pixels along ``axis`` (2: down, 3: right); zeros move in.

    Groups have ceil(channels / 5) channels, the last what is left, and there may be fewer than five.
    """

    def __init__(self, channels: int, axis: int) -> None:
        super().__init__()
        self.axis = axis
        most = -(-channels // len(_SHIFTS))
        starts = range(0, channels, most)
        self.groups = [
            (start, min(most, channels - start), shift) for start, shift in zip(starts, _SHIFTS, strict=False)
        ]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, channels, H, W) -> the same shape."""
        size, reach = x.shape[self.axis], max(_SHIFTS)
        padded = F.pad(x, (0, 0, reach, reach) if self.axis == 2 else (reach, reach, 0, 0))
        moved = [
            padded.narrow(1, start, count).narrow(self.axis, reach - shift, size) for start, count, shift in self.groups
        ]
        return torch.cat(moved, dim=1)


class PixelWise(nn.Module):
    """A layer over the channels, such as LayerNorm or Linear, applied to each pixel of a feature map."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # (B, C, H, W), the layer on (B, H, W, C)


def linear(channels: int) -> PixelWise:
    """A linear layer of each pixel's channels, initialised as published."""
    layer = nn.Linear(channels, channels)
    nn.init.normal_(layer.weight, std=0.02)
    nn.init.zeros_(layer.bias)
    return PixelWise(layer)


def shifted_mlp(channels: int) -> Residual:
    """Channels shifted along one axis, linear, depthwise, shifted along the other, linear; the input added."""
    return Residual(
        nn.Sequential(
            PixelWise(nn.LayerNorm(channels)),
            GroupShift(channels, axis=2),
            linear(channels),
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
            nn.GELU(),
            GroupShift(channels, axis=3),
            linear(channels),
        )
    )


class UNeXt(nn.Module):
    """The network as published: (B, in_channels, H, W) -> logits (B, 1, H, W)."""

    def __init__(self, config: UNeXtConfig) -> None:
        super().__init__()
        dims = config.dims
        self.encoder = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.MaxPool2d(2), nn.ReLU())
            for i, o in zip((config.in_channels, *dims[:2]), dims[:3], strict=True)
        )
        self.tokens = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(i, o, 3, stride=2, padding=1),
                PixelWise(nn.LayerNorm(o)),
                shifted_mlp(o),
                PixelWise(nn.LayerNorm(o)),
            )
            for i, o in pairwise(dims[2:])
        )
        self.decoder = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o))
            for i, o in zip(dims[:0:-1], dims[-2::-1], strict=True)
        )
        self.decoder_tokens = nn.ModuleList(
            nn.Sequential(shifted_mlp(c), PixelWise(nn.LayerNorm(c))) for c in (dims[3], dims[2])
        )
        self.last = nn.Conv2d(dims[0], dims[0], 3, padding=1)
        self.head = nn.Conv2d(dims[0], config.classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1) -> (B, classes, H, W) logits; H and W are multiples of 32."""
        skips = []
        for stage in (*self.encoder, *self.tokens):
            x = stage(x)  # (B, dims[i], H / 2**(i + 1), W / 2**(i + 1))
            skips.append(x)
        for index, (stage, skip) in enumerate(zip(self.decoder, skips[-2::-1], strict=True)):
            x = F.relu(_twice(stage(x))) + skip
            if index < len(self.decoder_tokens):
                x = self.decoder_tokens[index](x)
        return self.head(F.relu(_twice(self.last(x))))


def _twice(x: torch.Tensor) -> torch.Tensor:
    """A function as in the authors' network: `thop`, which sees modules, does not count it."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def layer(in_channels: int, out_channels: int, kernel: int, **shape: int) -> nn.Sequential:
    """Convolution without bias, BN, ReLU."""
    return conv_norm_act(in_channels, out_channels, kernel, bias=False, **shape)


def shifted_mlp_hw(channels: int) -> Residual:
    """The same with 1x1 convolutions, BN and ReLU."""
    return Residual(
        nn.Sequential(
            GroupShift(channels, axis=2),
            layer(channels, channels, 1),
            layer(channels, channels, 3, groups=channels),
            GroupShift(channels, axis=3),
            layer(channels, channels, 1),
        )
    )


class UNeXtHw(nn.Module):
    """The network as the hardware folds it: (B, in_channels, H, W) -> logits (B, 1, H, W)."""

    def __init__(self, config: UNeXtConfig) -> None:
        super().__init__()
        dims = config.dims
        self.encoder = nn.ModuleList(
            nn.Sequential(layer(i, o, 3), nn.MaxPool2d(2))
            for i, o in zip((config.in_channels, *dims[:2]), dims[:3], strict=True)
        )
        self.tokens = nn.ModuleList(
            nn.Sequential(layer(i, o, 3, stride=2), shifted_mlp_hw(o)) for i, o in pairwise(dims[2:])
        )
        self.decoder = nn.ModuleList(
            nn.Sequential(layer(i, o, 3), Upsample2x()) for i, o in zip(dims[:0:-1], dims[-2::-1], strict=True)
        )
        self.sums = nn.ModuleList(Sum() for _ in self.decoder)
        self.decoder_tokens = nn.ModuleList((shifted_mlp_hw(dims[3]), shifted_mlp_hw(dims[2])))
        self.last = nn.Sequential(layer(dims[0], dims[0], 3), Upsample2x())
        self.head = nn.Conv2d(dims[0], config.classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1) -> (B, classes, H, W) logits; H and W are multiples of 32."""
        skips = []
        for stage in (*self.encoder, *self.tokens):
            x = stage(x)  # (B, dims[i], H / 2**(i + 1), W / 2**(i + 1))
            skips.append(x)
        for index, (stage, join, skip) in enumerate(zip(self.decoder, self.sums, skips[-2::-1], strict=True)):
            x = join(skip, stage(x))
            if index < len(self.decoder_tokens):
                x = self.decoder_tokens[index](x)
        return self.head(self.last(x))


register(
    "unext-s",
    "UNeXt-S: convolutions 8-16-32, shifted MLPs of 64 and 128",
    UNeXtConfig(dims=(8, 16, 32, 64, 128)),
    UNeXt,
)
register(
    "unext-s-hw", "UNeXt-S for hardware: BN and ReLU, shifts kept", UNeXtConfig(dims=(8, 16, 32, 64, 128)), UNeXtHw
)
