"""``F.interpolate`` to a whole fraction of the size: a slice of the pixels, or an average of some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quant.operators.average_pool import AVERAGES
from quant.operators.crop import Crop
from quant.operators.operator import refuse

if TYPE_CHECKING:
    from torch import fx

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
        return AVERAGES.pool(translator, x, factor, name=name)
    first = 0 if mode == "nearest" else (factor - 1) // 2
    if mode == "nearest" or factor % 2:
        return translator.emit(Crop((0, before[1]), (first, 0, factor), (first, 0, factor)), (x,), name)
    if first:
        shape = (*before[:2], before[2] - first, before[3] - first)
        x = translator.emit(Crop((0, before[1]), (first, 0, 1), (first, 0, 1)), (x,), shape=shape)
    return AVERAGES.pool(translator, x, 2, factor, name=name)
