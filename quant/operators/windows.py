"""Windows of adaptive pooling, whose size the image decides: alike, and without overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quant.operators.operator import pair, refuse

if TYPE_CHECKING:
    from torch import fx

    from quant.twin.written import Translator


def windows_of(translator: Translator, x: fx.Node, output_size: Any) -> tuple[int, int]:
    """Height and width of each window by which ``x`` becomes ``output_size`` (None: the own side) pixels.

    Raises:
        Unsupported: they are not alike.
    """
    sides = translator.shape(x)[2:]
    wanted = tuple(own if side is None else int(side) for side, own in zip(pair(output_size), sides, strict=True))
    windows = sides[0] // wanted[0], sides[1] // wanted[1]
    alike = all(own == side * window for own, side, window in zip(sides, wanted, windows, strict=True))
    if not translator.of_one_size or not alike:
        refuse(
            f"pools {sides[0]}x{sides[1]} pixels to {wanted[0]}x{wanted[1]}; equal windows without overlap"
            " lower: choose a size of the image for which the number of rows and columns divides the tensor's, or pool"
            " by a fixed window"
        )
    return windows
