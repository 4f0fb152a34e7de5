"""EfficientNet and EfficientNetV2 in three dimensions, as encoders: their features at six resolutions.

Sources: M. Tan, Q. Le, "EfficientNet", ICML 2019, and "EfficientNetV2", ICML 2021. Differences of the 3D encoder: the
stem has stride 1 and the first stage stride 2, so that the first skip has the volume's size, and the last 1^3
convolution and the classifier are left out (published parameter counts include them). Batch norm as in 2D; its momentum
is torch's, epsilon 1e-3 as in the 2D release, and nothing is dropped (stochastic depth): no source gives them for 3D.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from models.layers3d import MBConv3d, conv_norm_act3d

_norm = partial(nn.BatchNorm3d, eps=1e-3)


@dataclass(frozen=True)
class Stage:
    """``repeats`` blocks, the first with ``stride``; ``fused`` blocks have no squeeze."""

    expansion: int
    kernel: int
    stride: int
    channels: int
    repeats: int
    fused: bool = False


@dataclass(frozen=True)
class Trunk:
    """Channels of the stem, the stages, and to what multiple the squeezed quarter of the channels is rounded."""

    stem: int
    stages: tuple[Stage, ...]
    squeeze_step: int


_B0 = (
    Stage(1, 3, 2, 16, 1),
    Stage(6, 3, 2, 24, 2),
    Stage(6, 5, 2, 40, 2),
    Stage(6, 3, 2, 80, 3),
    Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4),
    Stage(6, 3, 1, 320, 1),
)
_WIDTH_DEPTH = ((1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4), (1.4, 1.8), (1.6, 2.2), (1.8, 2.6), (2.0, 3.1))


def rounded_channels(channels: float, step: int = 8) -> int:
    """The nearest multiple of ``step``, at least ``step`` and not more than a tenth below ``channels``."""
    found = max(step, int(channels + step / 2) // step * step)
    return found + step if found < 0.9 * channels else found


def _scaled(width: float, depth: float) -> Trunk:
    stages = (
        Stage(s.expansion, s.kernel, s.stride, rounded_channels(s.channels * width), math.ceil(s.repeats * depth))
        for s in _B0
    )
    return Trunk(rounded_channels(32 * width), tuple(stages), squeeze_step=1)


EFFICIENTNETS: dict[str, Trunk] = {
    **{f"effnet-b{index}": _scaled(*scales) for index, scales in enumerate(_WIDTH_DEPTH)},
    "effnetv2-s": Trunk(
        24,
        (
            Stage(1, 3, 2, 24, 2, fused=True),
            Stage(4, 3, 2, 48, 4, fused=True),
            Stage(4, 3, 2, 64, 4, fused=True),
            Stage(4, 3, 2, 128, 6),
            Stage(6, 3, 1, 160, 9),
            Stage(6, 3, 2, 256, 15),
        ),
        squeeze_step=8,
    ),
    "effnetv2-m": Trunk(
        24,
        (
            Stage(1, 3, 2, 24, 3, fused=True),
            Stage(4, 3, 2, 48, 5, fused=True),
            Stage(4, 3, 2, 80, 5, fused=True),
            Stage(4, 3, 2, 160, 7),
            Stage(6, 3, 1, 176, 14),
            Stage(6, 3, 2, 304, 18),
            Stage(6, 3, 1, 512, 5),
        ),
        squeeze_step=8,
    ),
}


class Encoder(nn.Module):
    """The levels of a trunk: a level ends before the next stage of stride 2; ``channels`` of their ends."""

    def __init__(self, trunk: Trunk, in_channels: int) -> None:
        super().__init__()
        levels = [[conv_norm_act3d(in_channels, trunk.stem, norm=_norm, act=nn.SiLU, bias=False)]]
        channels, ends = trunk.stem, []
        for stage in trunk.stages:
            if stage.stride == 2:
                ends.append(channels)
                levels.append([])
            for index in range(stage.repeats):
                squeezed = rounded_channels(channels // 4, trunk.squeeze_step)
                block = MBConv3d(
                    channels,
                    stage.channels,
                    stage.kernel,
                    stride=stage.stride if index == 0 else 1,
                    expansion=stage.expansion,
                    squeezed=0 if stage.fused else squeezed,
                    fused=stage.fused,
                    norm=_norm,
                )
                levels[-1].append(block)
                channels = stage.channels
        self.channels = (*ends, channels)
        self.levels = nn.ModuleList(nn.Sequential(*level) for level in levels)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, C, X, Y, Z) -> per level (B, channels[level], X / 2**level, ...), top to bottom."""
        found = []
        for level in self.levels:
            x = level(x)
            found.append(x)
        return found


def efficientnet_encoder(name: str, in_channels: int) -> Encoder:
    """The encoder ``name`` of ``EFFICIENTNETS``."""
    return Encoder(EFFICIENTNETS[name], in_channels)
