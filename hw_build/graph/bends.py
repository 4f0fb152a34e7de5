"""Activations between an integer tensor and its quantizer, and factors behind them: how each is undone.

``before(bounds, rising)`` takes conditions on y, per channel y >= bound where ``rising`` (C, 1) and y <= bound
elsewhere, to the same conditions on x; bounds (C, n) float64, infinite where a condition holds always or never.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Clip:
    """y = min(max(x, low), high)."""

    low: float
    high: float

    def before(self, bounds: np.ndarray, rising: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        below = np.where(rising, bounds <= self.low, bounds < self.low)
        above = np.where(rising, bounds > self.high, bounds >= self.high)
        return np.where(below, -np.inf, np.where(above, np.inf, bounds)), rising


@dataclass(frozen=True)
class Leaky:
    """y = x where x >= 0, else slope * x; slopes (C,) are positive."""

    slope: np.ndarray

    def before(self, bounds: np.ndarray, rising: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.where(bounds < 0, bounds / self.slope[:, None], bounds), rising


@dataclass(frozen=True)
class Factor:
    """y = gain * x + shift, per channel (C,)."""

    gain: np.ndarray
    shift: np.ndarray

    def before(self, bounds: np.ndarray, rising: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gain, shift = self.gain[:, None], self.shift[:, None]
        after = np.where(gain < 0, ~rising, rising)
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = (bounds - shift) / gain
        holds = np.where(rising, shift >= bounds, shift <= bounds)  # of a constant, whatever x is
        return np.where(gain == 0, np.where(holds == after, -np.inf, np.inf), moved), after


Bend = Clip | Leaky | Factor
