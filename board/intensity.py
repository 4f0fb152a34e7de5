"""Intensity windows: what voxels of any unit become as 8-bit codes, the one rule for training and the board.

    code = floor(255 * (v - lower) / (upper - lower) + 1/2), v being cut to lower..upper first

in float64; where upper is not above lower, as in a volume of one value, every code is 0. Lower and upper are, by kind,

    fixed       ``low`` and ``high`` themselves, in the file's unit (Hounsfield units of CT)
    percentile  the ``low``-th and ``high``-th percentile of the volume's voxels, interpolated linearly
    zscore      mean + ``low`` and mean + ``high`` standard deviations (of the population) of the volume's voxels

``nonzero`` takes percentiles, mean and deviation over the voxels that are not 0, where there are any: the body of a
scan whose background was removed. Statistics are of the whole volume and one channel, never of a slice or a crop.
"""

import sys
from dataclasses import asdict, dataclass

import numpy as np

from board.errors import InputError

KINDS = ("percentile", "fixed", "zscore")
_LARGEST = sys.float_info.max / 2  # so that high - low is a number


@dataclass(frozen=True)
class Window:
    """``kind`` of ``KINDS``; ``low`` and ``high`` in its unit; InputError where they make no sense."""

    kind: str = "percentile"
    low: float = 1.0
    high: float = 99.0
    nonzero: bool = False

    def __post_init__(self):
        if self.kind not in KINDS:
            raise InputError(f"unknown intensity window {self.kind!r}; known: {', '.join(KINDS)}")
        for name in ("low", "high"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _LARGEST:
                raise InputError(f"intensity window: {name} must be a finite number, got {value!r}; correct it")
        if not isinstance(self.nonzero, bool):
            raise InputError(f"intensity window: nonzero must be true or false, got {self.nonzero!r}; correct it")
        if not self.low < self.high:
            raise InputError(f"intensity window: low must be below high, got {self.low} and {self.high}; correct them")
        if self.kind == "percentile" and not (self.low >= 0 and self.high <= 100):
            raise InputError(
                f"intensity window: percentiles are 0 to 100, got {self.low} and {self.high}; correct them"
            )

    def bounds(self, voxels):
        """(lower, upper) of one channel of a volume, an array of any shape, as floats."""
        if self.kind == "fixed":
            return float(self.low), float(self.high)
        values = np.asarray(voxels, dtype="float64").reshape(-1)
        if self.nonzero and np.count_nonzero(values):
            values = values[values != 0]
        if self.kind == "percentile":
            lower, upper = np.percentile(values, (self.low, self.high))
            return float(lower), float(upper)
        mean, deviation = float(values.mean()), float(values.std())
        return mean + self.low * deviation, mean + self.high * deviation

    def codes(self, voxels):
        """uint8 codes of one channel of a volume, of its shape.

        InputError: it is empty, or holds NaN or infinity.
        """
        values = np.asarray(voxels, dtype="float64")
        if not values.size:
            raise InputError("the volume has no voxels; give one that has")
        if not np.isfinite(values).all():
            raise InputError("the volume holds NaN or infinity; replace these voxels, for instance by its background")
        lower, upper = self.bounds(values)
        if not upper > lower:
            return np.zeros(values.shape, np.uint8)
        cut = np.minimum(np.maximum(values, lower), upper)
        return (255.0 * ((cut - lower) / (upper - lower)) + 0.5).astype(np.uint8)  # not negative: this floors

    def as_dict(self):
        """Plain values for JSON or TOML, which ``from_dict`` takes back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values):
        """The window of a table of ``io_spec.json`` or a recipe; InputError where a key is unknown or missing."""
        if not isinstance(values, dict) or not {"kind", "low", "high"} <= set(values) <= set(cls.__annotations__):
            raise InputError(
                f"an intensity window has kind, low, high and may have nonzero, got {values!r}; correct it"
            )
        return cls(**values)
