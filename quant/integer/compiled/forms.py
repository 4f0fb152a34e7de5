"""Staircases as arithmetic of few instructions, proved exact for each: what `kernels.cpp` calls their form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quant.integer.fit import line_of

if TYPE_CHECKING:
    from quant.integer.program import Staircase

LINE16, COUNT16, LINE32, COUNT32 = range(4)
_INT16 = np.iinfo(np.int16)
_MOST_LEFT = 8  # bits by which sums are made larger, so that a factor of 16 bits scales them finely
_LEAST_RIGHT = 3  # bits of fraction


@dataclass(frozen=True)
class Line16:
    """q = (round(sum * 2**left * factor / 2**15) + constant) >> right, within 0 and the number of thresholds; (C,)."""

    left: np.ndarray
    factor: np.ndarray
    constant: np.ndarray
    right: np.ndarray


def fits_int16(low: np.ndarray, high: np.ndarray) -> bool:
    """Whether int16 holds sums ``low..high``, and one more for a threshold that is never passed."""
    return bool(low.min() > _INT16.min + 1 and high.max() < _INT16.max)


def line16(staircase: Staircase, low: np.ndarray, high: np.ndarray) -> Line16 | None:
    """A line that gives the codes of every sum ``low..high`` (C,); None where a channel has none."""
    found = []
    for channel in range(len(staircase.thresholds)):
        numbers = _line16_of(staircase, channel, int(low[channel]), int(high[channel]))
        if numbers is None:
            return None
        found.append(numbers)
    return Line16(*(np.array(each, np.int16) for each in zip(*found, strict=True)))


def _line16_of(staircase: Staircase, channel: int, low: int, high: int) -> tuple[int, int, int, int] | None:
    """By both sides of each threshold: what the line rounds rises with the sum, or falls with it."""
    sign, slope = int(staircase.sign[channel]), float(staircase.slope[channel])
    first, last = sorted((sign * low, sign * high))
    thresholds = staircase.thresholds[channel]
    codes = 1 + np.arange(len(thresholds))
    reached, missed = thresholds <= last, thresholds > first
    at, below = np.maximum(thresholds[reached], first), np.minimum(thresholds[missed], last + 1) - 1
    largest = max(-low, high, 1)
    left = min(_MOST_LEFT, (_INT16.max // largest).bit_length() - 1)
    for right in range(14 - len(thresholds).bit_length(), _LEAST_RIGHT - 1, -1):
        factor = round(slope * 2.0 ** (right + 15 - left))
        if factor > _INT16.max:
            continue

        def scaled(signed: np.ndarray, factor: int = factor) -> np.ndarray:
            return (((sign * signed) << left) * (sign * factor) + (1 << 14)) >> 15

        ends = scaled(np.array([first, last]))
        least = max([_INT16.min - ends.min(), *((codes[reached] << right) - scaled(at))])
        most = min([_INT16.max - ends.max(), *((codes[missed] << right) - 1 - scaled(below))])
        least, most = max(least, _INT16.min), min(most, _INT16.max)
        if least <= most:
            return left, sign * factor, int(least + most) // 2, right
    return None


def line32(staircase: Staircase, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, ...] | None:
    """Scale, offset, floor and ceiling (C,) of a line in float32, as `fit.line_of`; None where it is not exact."""
    line = line_of(staircase, low, high)
    if not line.exact(np.float32):
        return None
    return line.slope * staircase.sign, line.offset, line.floor, line.ceiling
