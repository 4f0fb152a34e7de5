"""Windows of adaptive pooling, whose size the image decides: alike, and without overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quant.operators.operator import refuse
from quant.operators.volumes import points

if TYPE_CHECKING:
    from torch import fx

    from quant.twin.written import Translator


def windows_of(translator: Translator, x: fx.Node, output_size: Any) -> tuple[int, ...]:
    """Sides of each window by which ``x`` becomes ``output_size`` (None: the own side) pixels.

    Raises:
        Unsupported: they are not alike.
    """
    sides = translator.shape(x)[2:]
    given = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * len(sides)
    wanted = tuple(own if side is None else int(side) for side, own in zip(given, sides, strict=True))
    windows = tuple(own // side for side, own in zip(wanted, sides, strict=True))
    alike = all(own == side * window for own, side, window in zip(sides, wanted, windows, strict=True))
    if not translator.of_one_size or not alike:
        before, after = ("x".join(map(str, each)) for each in (sides, wanted))
        refuse(
            f"pools {before} {points(sides)} to {after}; equal windows without overlap lower:"
            f" choose a size of the image for which {after} divides the tensor's, or pool by a fixed window"
        )
    return windows
