"""U-Net of five levels with 64 to 1024 channels, and its twin for hardware, whose width a factor scales.

Source: O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical image segmentation", MICCAI
2015: two 3x3 a level, max-pool, up-convolution, concatenated skips. ``unet`` is the form that medical benchmarks share
and that Carvalho & Vestias 2025 measure in table III (34.52 M parameters, 65.52 GMAC): zero padding, BN behind each
3x3, and nearest x2 with a 3x3 as up-convolution.

``unet-hw`` chooses: no bias before a BN, bilinear x2 in place of nearest (the accelerator's own upsampling), and an
eighth of the channels; ``unet-hw-w4`` and ``unet-hw-w16`` have a quarter and a sixteenth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from models.errors import ConfigError
from models.layers import Concat, Upsample2x, conv_norm_act
from models.registry import register

_TOP_CHANNELS = 64  # doubled by each level below
_LEVELS = 5


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """``width``: factor of all channels, one at which 64 channels become a whole number of them."""

    width: float = 1.0
    for_hardware: bool = False
    in_channels: int = 3
    classes: int = 1
    input_size: int = 256

    def __post_init__(self) -> None:
        if self.width <= 0 or not (_TOP_CHANNELS * self.width).is_integer():
            channels = f"{_TOP_CHANNELS * self.width:g} channels"
            raise ConfigError(f"width {self.width} gives {channels}; take a multiple of 1/{_TOP_CHANNELS}")

    @property
    def dims(self) -> tuple[int, ...]:
        """Channels of the levels, top to bottom."""
        return tuple(int(_TOP_CHANNELS * self.width) << level for level in range(_LEVELS))


def double_conv(in_channels: int, out_channels: int, bias: bool) -> nn.Sequential:
    """Two times 3x3, BN, ReLU."""
    return nn.Sequential(
        conv_norm_act(in_channels, out_channels, 3, bias=bias), conv_norm_act(out_channels, out_channels, 3, bias=bias)
    )


class UNet(nn.Module):
    """U-Net: (B, in_channels, H, W) -> logits (B, 1, H, W)."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        dims, bias = config.dims, not config.for_hardware
        grow = Upsample2x if config.for_hardware else lambda: nn.Upsample(scale_factor=2)
        inputs = (config.in_channels, *dims[:-1])
        self.encoder = nn.ModuleList(double_conv(i, o, bias) for i, o in zip(inputs, dims, strict=True))
        self.pool = nn.MaxPool2d(2)
        above = list(zip(dims[:0:-1], dims[-2::-1], strict=True))  # (channels below, channels here), bottom to top
        self.up = nn.ModuleList(nn.Sequential(grow(), conv_norm_act(low, c, 3, bias=bias)) for low, c in above)
        self.concat = nn.ModuleList(Concat() for _ in above)
        self.decoder = nn.ModuleList(double_conv(2 * c, c, bias) for _, c in above)
        self.head = nn.Conv2d(dims[0], config.classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1) -> (B, classes, H, W) logits; H and W are multiples of 16."""
        skips = []
        for level, stage in enumerate(self.encoder):
            x = stage(x if level == 0 else self.pool(x))  # (B, dims[level], H / 2**level, W / 2**level)
            skips.append(x)
        for up, concat, fuse, skip in zip(self.up, self.concat, self.decoder, skips[-2::-1], strict=True):
            x = fuse(concat(skip, up(x)))
        return self.head(x)


register("unet", "U-Net, 64 to 1024 channels", UNetConfig(), UNet)
for _name, _width in (("unet-hw", 1 / 8), ("unet-hw-w4", 1 / 4), ("unet-hw-w16", 1 / 16)):
    register(
        _name,
        f"U-Net for hardware, {_TOP_CHANNELS * _width:g} to {1024 * _width:g} channels",
        UNetConfig(width=_width, for_hardware=True),
        UNet,
    )
