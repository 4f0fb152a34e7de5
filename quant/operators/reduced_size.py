"""``F.interpolate`` to a whole fraction of the size: a slice of the pixels, or an average of some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import fx, nn

from quant.operators.crop import Crop
from quant.operators.operator import refuse
from quant.operators.window_average import WindowMean

if TYPE_CHECKING:
    from quant.twin.written import Translator


def reduce_size(translator: Translator, x: fx.Node, factor: int, mode: str, name: str | None) -> fx.Node:
    """To one in ``factor`` rows and columns, by what ``mode`` reads: the first pixel of a block (nearest), all of them
    (area), or those around its centre, one or 2x2 (bilinear).
    """
    before, after = translator.shape(x), translator.shape_made()
    if before[2:] != (factor * after[2], factor * after[3]) or mode not in ("nearest", "area", "bilinear"):
        refuse(
            f"resizes {before[2]}x{before[3]} to {after[2]}x{after[3]} pixels, mode='{mode}'; a whole fraction lowers,"
            " with mode='nearest', 'area' or 'bilinear': otherwise pool by a fixed window"
        )
    if mode == "area":
        return translator.emit(nn.AvgPool2d(2) if factor == 2 else WindowMean(factor, factor), (x,), name)
    is_mean = mode == "bilinear" and factor % 2 == 0
    first = 0 if mode == "nearest" else (factor - 1) // 2
    if not is_mean:
        return translator.emit(Crop((0, before[1]), (first, 0, factor), (first, 0, factor)), (x,), name)
    if factor == 2:
        return translator.emit(nn.AvgPool2d(2), (x,), name)
    shape = (*before[:2], before[2] - first, before[3] - first)
    x = translator.emit(Crop((0, before[1]), (first, 0, 1), (first, 0, 1)), (x,), shape=shape)
    return translator.emit(WindowMean((2, 2), (factor, factor)), (x,), name)
