"""Scales and integer biases with which plain quantized kernels reproduce a staircase exactly.

A quantized kernel computes round(scale * (m * accumulator + bias)) with an integer bias; weights may be multiplied by a
small integer m so that the bias has a resolution of 1/m. For a staircase this is right on the whole accumulator range
if and only if, at each threshold T_k and at T_k - 1, the value lies on the right side of k - 1/2: the kernel is
monotonic. That gives an interval of scales for each bias, whose middle is tried; the bias with the most room on both
sides wins. There must be room for a few float32 roundings, so that the order in which a kernel multiplies and adds
does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from quant.integer.program import Staircase

_FLOAT32_ROOM = 16 * 2.0**-24
_EXACT_FLOAT32 = 2**24
_WIDEST_SCALE_RATIO = 4.0  # where nothing bounds the scale from above


@dataclass(frozen=True)
class Reach:
    """Signed accumulators ``lowest..highest`` of a staircase and their codes - low, ``floor..ceiling``; all (C,)."""

    lowest: np.ndarray
    highest: np.ndarray
    floor: np.ndarray
    ceiling: np.ndarray

    @classmethod
    def of(cls, staircase: Staircase, low: np.ndarray, high: np.ndarray) -> Reach:
        """Of accumulators ``low..high`` (C,)."""
        lowest = np.where(staircase.sign > 0, low, -high)
        highest = np.where(staircase.sign > 0, high, -low)
        floor = (staircase.thresholds <= lowest[:, None]).sum(axis=1)
        ceiling = (staircase.thresholds <= highest[:, None]).sum(axis=1)
        return cls(lowest, highest, floor, ceiling)


@dataclass(frozen=True)
class Fit:
    """Per channel: codes - low = clip(round(scale * (multiplier * sign * accumulator + bias)), floor, ceiling).

    A channel that never changes its code has multiplier 0.
    """

    multiplier: np.ndarray  # (C,) int64
    bias: np.ndarray  # (C,) int64
    scale: np.ndarray  # (C,) float32
    floor: np.ndarray  # (C,) int64, lowest reachable code - low
    ceiling: np.ndarray  # (C,) int64, highest; where only the staircase's end bounds a channel, that end
    overshoots: bool  # whether a value can pass the ceiling
    undershoots: bool  # whether a value can stay below a floor above 0

    @property
    def constant(self) -> bool:
        """Whether a channel never changes its code."""
        return not self.multiplier.all()


@dataclass(frozen=True)
class _Sides:
    """Where a channel's value must reach a half (``at``) and where it must stay below one (``below``)."""

    at: np.ndarray
    at_halves: np.ndarray
    below: np.ndarray
    below_halves: np.ndarray


def fit_staircase(
    staircase: Staircase,
    low: np.ndarray,
    high: np.ndarray,
    multiplier: np.ndarray,
    bias_limits: tuple[int, int] = (-(2**31), 2**31 - 1),
) -> Fit | None:
    """Fits every channel, with accumulators in low..high and the given multipliers, all (C,); None where one fails."""
    reach = Reach.of(staircase, low, high)
    channels, steps = staircase.thresholds.shape
    bias, scale, multiplier = np.zeros(channels, np.int64), np.ones(channels, np.float32), multiplier.copy()
    undershoots = overshoots = False
    for c in range(channels):
        if reach.floor[c] == reach.ceiling[c]:
            multiplier[c], bias[c] = 0, reach.floor[c]
            continue
        ideal = multiplier[c] * staircase.offset[c] / staircase.slope[c]
        biases = np.unique(np.clip(np.floor(ideal) + np.arange(-multiplier[c], multiplier[c] + 2), *bias_limits))
        found = None
        for with_floor in (True, False):
            found = found or _fit_channel(_sides(staircase, reach, c, with_floor), int(multiplier[c]), biases)
        if found is None:
            return None
        bias[c], scale[c] = found
        ends = np.array([reach.lowest[c], reach.highest[c]]) * multiplier[c] + bias[c]
        if np.abs(ends).max() >= _EXACT_FLOAT32:
            return None
        undershoots |= bool(reach.floor[c] > 0 and ends[0] * float(scale[c]) < reach.floor[c] - 0.49)
        overshoots |= bool(ends[1] * float(scale[c]) > steps + 0.49)
    return Fit(multiplier, bias, scale, reach.floor, np.full(channels, steps), overshoots, undershoots)


def _sides(staircase: Staircase, reach: Reach, channel: int, with_floor: bool) -> _Sides:
    """Both sides of each reachable step; the top is not passed where it is unreachable, nor the floor if asked for."""
    floor, ceiling = int(reach.floor[channel]), int(reach.ceiling[channel])
    thresholds = staircase.thresholds[channel, floor:ceiling]
    halves = np.arange(floor, ceiling) + 0.5
    at, at_halves, below, below_halves = thresholds, halves, thresholds - 1, halves
    if with_floor and floor > 0:
        at, at_halves = np.append(at, reach.lowest[channel]), np.append(halves, floor - 0.5)
    if ceiling < staircase.thresholds.shape[1]:
        below, below_halves = np.append(below, reach.highest[channel]), np.append(halves, ceiling + 0.5)
    return _Sides(at, at_halves, below, below_halves)


def _fit_channel(sides: _Sides, multiplier: int, biases: np.ndarray) -> tuple[int, np.float32] | None:
    """Bias and scale with scale * (multiplier * accumulator + bias) on the right side everywhere, with most room."""
    at = multiplier * sides.at[None, :] + biases[:, None]  # (B, n)
    below = multiplier * sides.below[None, :] + biases[:, None]
    valid = (at > 0).all(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        smallest = np.where(valid, np.max(sides.at_halves / at, axis=1), 1.0)
        largest = np.min(np.where(below > 0, sides.below_halves / below, np.inf), axis=1)
    largest = np.minimum(largest, _WIDEST_SCALE_RATIO * smallest)
    scales = ((smallest + largest) / 2).astype(np.float32)
    reached = (scales[:, None].astype(np.float64) * at - sides.at_halves).min(axis=1)
    missed = (sides.below_halves - scales[:, None].astype(np.float64) * below).min(axis=1)
    room = np.where(valid, np.minimum(reached, missed), -1.0)
    best = int(np.argmax(room))
    if room[best] < _FLOAT32_ROOM * (sides.at_halves.max() + 1):
        return None
    return int(biases[best]), scales[best]


@dataclass(frozen=True)
class Line:
    """Codes - low = clip(round(slope * sign * accumulator + offset), floor, ceiling); all (C,)."""

    slope: np.ndarray
    offset: np.ndarray
    floor: np.ndarray
    ceiling: np.ndarray
    overshoots: bool
    undershoots: bool
    thresholds: np.ndarray  # (C, n)
    distance: float  # of the threshold that is nearest to an integer accumulator

    def exact(self, dtype: type) -> bool:
        """Whether arithmetic in ``dtype``, with room for a few roundings, is right on both sides of each step."""
        slope, offset = (values.astype(dtype).astype(np.float64)[:, None] for values in (self.slope, self.offset))
        room = 4 * np.finfo(dtype).eps
        halves = np.arange(self.thresholds.shape[1]) + 0.5
        inside = (halves > self.floor[:, None]) & (halves < self.ceiling[:, None])
        for shift, side in ((0, 1), (-1, -1)):
            accumulators = self.thresholds + shift
            size = np.abs(slope * accumulators) + np.abs(offset)
            if np.any(inside & (side * (slope * accumulators + offset - halves) <= room * size)):
                return False
        return True


def line_of(staircase: Staircase, low: np.ndarray, high: np.ndarray) -> Line:
    """The line of a staircase, for accumulators low..high; ``Line.exact`` tells which arithmetic can use it."""
    reach = Reach.of(staircase, low, high)
    flat = reach.floor == reach.ceiling
    slope, offset = np.where(flat, 0.0, staircase.slope), np.where(flat, reach.floor, staircase.offset)
    return Line(
        slope=slope,
        offset=offset,
        floor=reach.floor,
        ceiling=reach.ceiling,
        overshoots=bool(np.any(slope * reach.highest + offset > reach.ceiling)),
        undershoots=bool(np.any((reach.floor > 0) & (slope * reach.lowest + offset < reach.floor))),
        thresholds=staircase.thresholds,
        distance=float(staircase.distances.min()),
    )
