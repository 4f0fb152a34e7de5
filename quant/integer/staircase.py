"""From a chain of float operators behind an integer accumulator to integer thresholds.

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
class Relu:
    """y = max(x, 0)."""


@dataclass(frozen=True)
class Chain:
    """Real-valued operators applied to ``scale * accumulator``, the accumulator within ``low..high``; all (C,)."""

    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray
    operators: tuple[Affine | Relu, ...] = field(default=())

    def then(self, operator: Affine | Relu) -> Chain:
        return Chain(self.scale, self.low, self.high, (*self.operators, operator))

    def affine(self) -> tuple[np.ndarray, np.ndarray]:
        """Gain and shift (C,) of the chain where no ReLU clips."""
        gain, shift = self.scale.copy(), np.zeros_like(self.scale)
        for operator in self.operators:
            if isinstance(operator, Affine):
                gain, shift = gain * operator.gain, shift * operator.gain + operator.shift
        return gain, shift

    def staircase(self, codes: Codes) -> Staircase:
        """Thresholds at which the quantizer ``codes`` behind this chain steps (round half up)."""
        levels = (np.arange(codes.low, codes.high) + 0.5) * codes.scale
        bounds = np.broadcast_to(levels, (len(self.scale), len(levels)))  # value >= bound, where direction is +1
        direction = np.ones(len(self.scale))
        for operator in reversed(self.operators):
            if isinstance(operator, Relu):
                bounds = _before_relu(bounds, direction)
            else:
                bounds, direction = _before_affine(bounds, direction, operator)
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


def _before_relu(bounds: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """max(x, 0) >= b is always true for b <= 0; max(x, 0) <= b is never true for b < 0."""
    rising = direction[:, None] > 0
    return np.where((rising & (bounds <= 0)) | (~rising & (bounds < 0)), -np.inf, bounds)


def _before_affine(bounds: np.ndarray, direction: np.ndarray, affine: Affine) -> tuple[np.ndarray, np.ndarray]:
    gain, shift = affine.gain[:, None], affine.shift[:, None]
    constant = gain == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = (bounds - shift) / np.where(constant, 1.0, gain)
    rising = direction[:, None] > 0
    holds = np.where(rising, shift >= bounds, shift <= bounds)  # of a constant
    moved = np.where(constant, np.where(holds == rising, -np.inf, np.inf), moved)
    return moved, direction * np.where(affine.gain < 0, -1.0, 1.0)
