"""Windows along each side of an image or a volume, and of how many of its pixels each is.

Where numbers of pixels differ, a window's sum times what makes its number the common multiple of all is an integer:
that many times the average. Each side has a multiple of its own.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from quant.base.errors import ExportError
from quant.integer.exact import EXACT_FLOAT32

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quant.integer.program import Codes


def windows_along(side: int, kernel: int, stride: int, pad: int, ceil_mode: bool) -> int:
    """How many windows there are along a side; by PyTorch's ``ceil_mode`` each begins in the image or before it."""
    room = side + 2 * pad - kernel
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= side + pad else count


def counts_along(
    before: Sequence[int], after: Sequence[int], kernel: Sequence[int], strides: Sequence[int], pads: Sequence[int]
) -> list[np.ndarray]:
    """How many places of each side of ``before`` each window counts, of those that make ``after``."""
    counts = []
    for side, windows, taps, stride, pad in zip(before, after, kernel, strides, pads, strict=True):
        starts = stride * np.arange(windows) - pad
        counts.append(np.minimum(starts + taps, side) - np.maximum(starts, 0))
    return counts


def common_multiple(counts: list[np.ndarray]) -> int:
    """Of the numbers of pixels of all windows: the product of those of the sides."""
    return math.prod(int(np.lcm.reduce(each)) for each in counts)


def factors_to(counts: list[np.ndarray]) -> np.ndarray:
    """By which each window's sum becomes ``common_multiple`` times its average: an axis for each side."""
    return reduce(np.multiply.outer, [np.lcm.reduce(each) // each for each in counts])


def require_held(name: str, counts: list[np.ndarray], codes: Codes) -> None:
    """ExportError where the common multiple times one of ``codes`` is more than float32 holds."""
    pixels = common_multiple(counts)
    if pixels * max(-codes.low, codes.high) < EXACT_FLOAT32:
        return
    numbers = ", ".join(map(str, np.unique(reduce(np.multiply.outer, counts))))
    raise ExportError(
        f"'{name}' averages windows of {numbers} pixels, whose common multiple {pixels}, times a code, float32 may"
        " round; count the padding (count_include_pad=True) and leave ceil_mode out, or take a smaller window"
    )
