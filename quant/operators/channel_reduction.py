"""Sum, average and maximum of a pixel's channels: one channel, as spatial attention reads it.

Sum and average are a pointwise convolution of equal weights. The maximum needs no kernel of its own: channels become a
block of pixels, whose maximum is a pool's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from quant.operators.channel_order import ChannelOrder
from quant.operators.operator import Operator, refuse
from quant.operators.volumes import RANK, SIDES

if TYPE_CHECKING:
    from collections.abc import Callable

    from quant.twin.written import Translator

_CHANNELS = 1  # the dimension


def over_channels(dim: Any, rank: int) -> bool:
    """Whether ``dim``, of a tensor (B, C, ...) of ``rank`` dimensions, is the channels alone."""
    axes = dim if isinstance(dim, (tuple, list)) else (dim,)
    return [axis % rank for axis in axes if isinstance(axis, int)] == [_CHANNELS]


def weighted(translator: Translator, x: fx.Node, weight: float) -> fx.Node:
    """``weight`` times the sum of the channels, by weights that are not trained."""
    _, channels, *sides = translator.shape(x)
    kind = nn.Conv3d if len(sides) == SIDES else nn.Conv2d
    conv = kind(channels, 1, 1, bias=False).requires_grad_(False)
    conv.weight.fill_(weight)
    return translator.emit(conv, (x,), shape=(1, 1, *sides))


class ChannelReduction(Operator):
    """``torch.sum``, ``torch.max``, ``torch.amax`` over the channels; the average is ``torch.mean``'s."""

    told = "sums, averages and maxima of a pixel's channels"

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """And methods."""
        return {
            **dict.fromkeys((torch.sum, "sum"), self.sum),
            **dict.fromkeys((torch.max, "max"), self.max),
            **dict.fromkeys((torch.amax, "amax"), self.amax),
        }

    def sum(self, translator: Translator, x: fx.Node, dim: Any = None, keepdim: bool = False) -> fx.Node:
        """Without ``keepdim`` what follows takes it for one channel, too."""
        del keepdim
        if not over_channels(dim, len(translator.shape(x))):
            refuse(f"sums over the dimensions {dim}; only channels, 1, lower: over height and width take the mean")
        return weighted(translator, x, 1.0)

    def max(self, translator: Translator, x: fx.Node, dim: Any = None, keepdim: bool = False) -> tuple[fx.Node, None]:
        """And no index."""
        if isinstance(dim, fx.Node):
            refuse("is the greater of two tensors; a + relu(b - a) is the same, and lowers")
        return self.amax(translator, x, dim, keepdim), None

    def amax(self, translator: Translator, x: fx.Node, dim: Any = None, keepdim: bool = False) -> fx.Node:
        """A pool of the block of pixels that the channels become; the first channel fills the block up."""
        del keepdim
        if len(translator.shape(x)) == RANK:
            refuse("is a maximum over dimensions of a volume; over x, y and z take MaxPool3d")
        if not over_channels(dim, len(translator.shape(x))):
            refuse(
                f"is a maximum over the dimensions {dim}; only channels, 1, lower: over height and width take MaxPool2d"
            )
        _, channels, height, width = translator.shape(x)
        if channels == 1:
            return x
        side = math.isqrt(channels - 1) + 1
        if side**2 > channels:
            index = (*range(channels), *[0] * (side**2 - channels))
            x = translator.emit(ChannelOrder(index), (x,), shape=(1, len(index), height, width))
        x = translator.emit(nn.PixelShuffle(side), (x,), shape=(1, 1, side * height, side * width))
        return translator.emit(nn.MaxPool2d(side), (x,), shape=(1, 1, height, width))


OPERATORS = (ChannelReduction(),)
