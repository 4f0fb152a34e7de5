"""LW-UNet 0 to 5: an encoder of seven stages of MBConv in six sizes, and a U-Net's decoder.

Source: Y. Liu, G. Han, X. Liu, "Lightweight compound scaling network for nasopharyngeal carcinoma segmentation from MR
images", Sensors 2022. The paper states: seven MBConv blocks after EfficientNet's, linear bottlenecks, inverted
residuals, up-convolutions with skips and 3x3 convolutions, a size of 256x256, and for its six sizes 0.85, 1.27, 2.22,
3.55, 5.32 and 7.36 M parameters with 1.85, 2.99, 4.75, 7.51, 8.38 and 9.01 GMAC (table 4, counted with biases and 2 an
element of a norm). It names neither channels nor repeats nor activation nor squeeze-and-excitation, and no one rule of
scaling gives all six sizes.

This chooses what gives the sizes within 0.1% of parameters and 2% of MACs: the table ``_SIZES``; a stem 3x3 of stride
2; kernels 3,3,5,3,5,5,3 and strides 1,2,2,2,1,2,1 of the stages; expansion 1 in the first and 6 in the others; ReLU;
squeeze-and-excitation to a quarter of a block's input; skips behind stages 1, 2, 3 and 5; nearest x2 and a 3x3 as
up-convolution, then two 3x3 behind the skip, with biases as U-Net's. No dropout.

``lw-unet-N-hw`` leaves squeeze-and-excitation out, which would hold whole frames, and has bilinear x2 in place of
nearest; ``lw-unet-N-hw-se`` keeps it, with a hard sigmoid. No bias stands before a BN. Bottlenecks stay linear, so sums
of residuals are signed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from models.errors import ConfigError
from models.layers import Concat, Sum, Upsample2x, conv_norm_act
from models.registry import register
from models.unet import double_conv

_KERNELS = (3, 3, 5, 3, 5, 5, 3)
_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_EXPANSIONS = (1, 6, 6, 6, 6, 6, 6)
_SKIPS = (4, 2, 1, 0)  # stages whose output the decoder takes, in its order
_SQUEEZE = 4


@dataclass(frozen=True, kw_only=True)
class LWUNetConfig:
    """``dims`` and ``repeats``: channels and blocks of the seven stages; ``last``: channels at full size."""

    stem: int
    dims: tuple[int, ...]
    repeats: tuple[int, ...]
    last: int
    squeeze: bool = True
    for_hardware: bool = False
    in_channels: int = 3
    classes: int = 1
    input_size: int = 256

    def __post_init__(self) -> None:
        if not len(self.dims) == len(self.repeats) == len(_KERNELS):
            raise ConfigError(f"dims and repeats must have {len(_KERNELS)} entries, one a stage")


class ChannelGate(nn.Module):
    """Squeeze-and-excitation: the mean of each channel, 1x1, ReLU, 1x1, sigmoid, times the channel."""

    def __init__(self, channels: int, squeezed: int, gate: nn.Module) -> None:
        super().__init__()
        self.factors = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, squeezed, 1), nn.ReLU(), nn.Conv2d(squeezed, channels, 1), gate
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factors(x)  # (B, C, H, W) * (B, C, 1, 1)


def layer(in_channels: int, out_channels: int, kernel: int, **shape: int) -> nn.Sequential:
    """Convolution without bias, BN, the activation."""
    return conv_norm_act(in_channels, out_channels, kernel, bias=False, **shape)


class MBConv(nn.Module):
    """1x1 to ``expansion`` times the channels, depthwise KxK, gate if any, 1x1 and BN without activation.

    The input is added where shapes allow.
    """

    def __init__(
        self, shape: tuple[int, int], kernel: int, stride: int, expansion: int, gate: nn.Module | None
    ) -> None:
        super().__init__()
        in_channels, out_channels = shape
        wide = expansion * in_channels
        self.fn = nn.Sequential(
            *([layer(in_channels, wide, 1)] if expansion > 1 else []),
            layer(wide, wide, kernel, stride=stride, groups=wide),
            *([ChannelGate(wide, in_channels // _SQUEEZE, gate)] if gate is not None else []),
            nn.Conv2d(wide, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.sum = Sum() if stride == 1 and in_channels == out_channels else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fn(x) if self.sum is None else self.sum(x, self.fn(x))


class LWUNet(nn.Module):
    """MBConv encoder and U-Net decoder: (B, in_channels, H, W) -> logits (B, 1, H, W)."""

    def __init__(self, config: LWUNetConfig) -> None:
        super().__init__()
        dims, bias = config.dims, not config.for_hardware
        grow = Upsample2x if config.for_hardware else lambda: nn.Upsample(scale_factor=2)
        self.stem = layer(config.in_channels, config.stem, 3, stride=2)
        self.encoder = nn.ModuleList(
            _stage(config, i, o, stage) for stage, (i, o) in enumerate(zip((config.stem, *dims), dims, strict=False))
        )
        skips = [dims[stage] for stage in _SKIPS]
        widths = (*skips, config.last)
        self.up = nn.ModuleList(
            nn.Sequential(grow(), conv_norm_act(i, o, 3, bias=bias))
            for i, o in zip((dims[-1], *skips), widths, strict=True)
        )
        self.concat = nn.ModuleList(Concat() for _ in skips)
        self.fuse = nn.ModuleList(double_conv(2 * c, c, bias) for c in skips)
        self.last = double_conv(config.last, config.last, bias)
        self.head = nn.Conv2d(config.last, config.classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1) -> (B, classes, H, W) logits; H and W are multiples of 32."""
        x = self.stem(x)  # (B, stem, H / 2, W / 2)
        outputs = []
        for stage in self.encoder:
            x = stage(x)
            outputs.append(x)
        for up, concat, fuse, stage in zip(self.up, self.concat, self.fuse, _SKIPS, strict=False):
            x = fuse(concat(outputs[stage], up(x)))  # at H / 16, / 8, / 4, / 2
        return self.head(self.last(self.up[-1](x)))


def _stage(config: LWUNetConfig, in_channels: int, out_channels: int, stage: int) -> nn.Sequential:
    blocks = []
    for repeat in range(config.repeats[stage]):
        gate = None
        if config.squeeze:
            gate = nn.Hardsigmoid() if config.for_hardware else nn.Sigmoid()
        shape = (in_channels if repeat == 0 else out_channels, out_channels)
        stride = _STRIDES[stage] if repeat == 0 else 1
        blocks.append(MBConv(shape, _KERNELS[stage], stride, _EXPANSIONS[stage], gate))
    return nn.Sequential(*blocks)


_SIZES = (
    {"stem": 24, "dims": (32, 36, 40, 48, 80, 104, 112), "repeats": (1, 1, 1, 1, 1, 1, 1), "last": 16},
    {"stem": 40, "dims": (36, 48, 56, 72, 72, 104, 120), "repeats": (1, 1, 1, 2, 1, 2, 1), "last": 24},
    {"stem": 24, "dims": (40, 40, 40, 40, 80, 160, 160), "repeats": (1, 2, 2, 2, 2, 3, 1), "last": 40},
    {"stem": 24, "dims": (24, 40, 80, 80, 104, 152, 152), "repeats": (1, 2, 2, 3, 3, 4, 1), "last": 64},
    {"stem": 32, "dims": (28, 64, 64, 80, 88, 160, 320), "repeats": (1, 2, 2, 3, 3, 4, 2), "last": 64},
    {"stem": 64, "dims": (32, 64, 64, 88, 128, 224, 288), "repeats": (1, 2, 2, 3, 3, 4, 2), "last": 64},
)
for _number, _size in enumerate(_SIZES):
    _base = f"lw-unet-{_number}"
    register(_base, f"LW-UNet {_number}, of a reconstruction", LWUNetConfig(**_size), LWUNet)
    for _suffix, _squeeze in (("hw", False), ("hw-se", True)):
        _kept = "kept" if _squeeze else "left out"
        register(
            f"{_base}-{_suffix}",
            f"LW-UNet {_number} for hardware, squeeze-and-excitation {_kept}",
            LWUNetConfig(**_size, squeeze=_squeeze, for_hardware=True),
            LWUNet,
        )
