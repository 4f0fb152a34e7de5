"""From a chain of float operators after an integer accumulator to integer thresholds.

The chain (BN, ReLU, added constants, then the quantizer) is a monotonic function of the accumulator, so each of its
output codes begins at one real threshold, found by running the chain backwards in float64. Its ceiling is the integer
threshold. A real threshold on an integer would be a tie, and one very near to it would make float32 arithmetic decide:
``distances`` records how near, and the export refuses what is too near.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from quant.integer.program import Codes, Staircase


@dataclass(frozen=True)
class Affine:
    """y = gain * x + shift, per channel (C,)."""

    gain: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True)
class Clip:
    """y = min(max(x, low), high); a ReLU has the bounds 0 and infinity."""

    low: float
    high: float

    def before(self, bounds: np.ndarray, rising: np.ndarray) -> np.ndarray:
        """Bounds (C, n) of x in place of those of y: y >= bound where ``rising`` (C, 1), else y <= bound.

        They are infinite where that holds always or never.
        """
        below = np.where(rising, bounds <= self.low, bounds < self.low)
        above = np.where(rising, bounds > self.high, bounds >= self.high)
        return np.where(below, -np.inf, np.where(above, np.inf, bounds))


@dataclass(frozen=True)
class Leaky:
    """y = x where x >= 0, else slope * x; slopes (C,) are positive."""

    slope: np.ndarray

    def before(self, bounds: np.ndarray, rising: np.ndarray) -> np.ndarray:
        """As of ``Clip``."""
        del rising
        return np.where(bounds < 0, bounds / self.slope[:, None], bounds)


Activation = Clip | Leaky


@dataclass(frozen=True)
class Chain:
    """Real-valued operators applied to ``scale * accumulator``, the accumulator within ``low..high``; all (C,)."""

    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray
    operators: tuple[Affine | Activation, ...] = field(default=())

    def then(self, operator: Affine | Activation) -> Chain:
        return Chain(self.scale, self.low, self.high, (*self.operators, operator))

    def affine(self) -> tuple[np.ndarray, np.ndarray]:
        """Gain and shift (C,) of the chain where no activation bends it."""
        gain, shift = self.scale.copy(), np.zeros_like(self.scale)
        for operator in self.operators:
            if isinstance(operator, Affine):
                gain, shift = gain * operator.gain, shift * operator.gain + operator.shift
        return gain, shift

    def staircase(self, codes: Codes) -> Staircase:
        """Thresholds at which the quantizer ``codes`` after this chain steps (round half up)."""
        levels = (np.arange(codes.low, codes.high) + 0.5) * codes.scale
        bounds = np.broadcast_to(levels, (len(self.scale), len(levels)))  # value >= bound, where direction is +1
        direction = np.ones(len(self.scale))
        for operator in reversed(self.operators):
            if isinstance(operator, Affine):
                bounds, direction = _before_affine(bounds, direction, operator)
            else:
                bounds = operator.before(bounds, direction[:, None] > 0)
        real = direction[:, None] * bounds / self.scale[:, None]
        lowest = np.where(direction > 0, self.low, -self.high)[:, None]
        highest = np.where(direction > 0, self.high, -self.low)[:, None]
        reachable = (real > lowest - 1) & (real < highest + 1)
        finite = np.where(reachable, real, 0.0)
        gain, shift = self.affine()
        return Staircase(
            low=codes.low,
            high=codes.high,
            sign=direction.astype(np.int64),
            thresholds=np.clip(np.ceil(real), lowest, highest + 1).astype(np.int64),
            distances=np.where(reachable, np.abs(finite - np.round(finite)), np.inf),
            slope=direction * gain / codes.scale,
            offset=shift / codes.scale - codes.low,
        )


def _before_affine(bounds: np.ndarray, direction: np.ndarray, affine: Affine) -> tuple[np.ndarray, np.ndarray]:
    gain, shift = affine.gain[:, None], affine.shift[:, None]
    constant = gain == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = (bounds - shift) / np.where(constant, 1.0, gain)
    rising = direction[:, None] > 0
    holds = np.where(rising, shift >= bounds, shift <= bounds)  # of a constant
    moved = np.where(constant, np.where(holds == rising, -np.inf, np.inf), moved)
    return moved, direction * np.where(affine.gain < 0, -1.0, 1.0)
