"""The integer program of an exported network: what the accelerator computes, without scales and without floats.

Every tensor is integer codes. A convolution, sum or bilinear upsampling makes an exact integer accumulator; a staircase
turns it into the next codes:

    code = low + number of thresholds <= sign * accumulator            (sign = -1 where BN's gamma is negative)

Only the last convolution has no staircase: its accumulator plus an integer bias is the logit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Codes:
    """The codes of a tensor: integers low..high, each worth ``scale``."""

    scale: float
    low: int
    high: int


@dataclass(frozen=True)
class Staircase:
    """Per channel, the integer thresholds of a monotonic requantization and the straight line that they lie on.

    ``thresholds`` (C, high - low) are non-decreasing along the last axis and clamped to the reachable accumulators: one
    past the top means never. ``distances`` gives how far each real threshold lies from the nearest integer, infinite
    where it is out of reach. Between the clamps, code - low = round(slope * sign * accumulator + offset).
    """

    low: int
    high: int
    sign: np.ndarray  # (C,) +1 or -1
    thresholds: np.ndarray  # (C, high - low) int64
    distances: np.ndarray  # (C, high - low)
    slope: np.ndarray  # (C,) >= 0
    offset: np.ndarray  # (C,)

    def apply(self, accumulators: np.ndarray) -> np.ndarray:
        """Integer accumulators (C, ...) -> codes of the same shape: the reference of every engine."""
        codes = np.empty(accumulators.shape, np.int64)
        for channel, row in enumerate(self.thresholds):
            codes[channel] = np.searchsorted(row, self.sign[channel] * accumulators[channel], side="right")
        return codes + self.low


@dataclass(frozen=True)
class Conv:
    """Convolution of stride 1 with zeros around its source; the one without a staircase gives the logits, accumulator +
    ``bias``.

    ``pads``: rows above, columns before, rows below, columns after. ``layer``: the name of its module, where known.

    In the float graph the convolution's output is scale * accumulator + shift, and ``nodes`` lead from it to the codes.
    """

    name: str
    source: str
    output: str
    weights: np.ndarray  # (O, I / groups, KH, KW) int64
    pads: tuple[int, int, int, int]
    groups: int
    low: np.ndarray  # (O,) lowest accumulator
    high: np.ndarray  # (O,) highest
    scale: np.ndarray  # (O,)
    shift: np.ndarray  # (O,)
    staircase: Staircase | None = None
    bias: np.ndarray | None = None  # (O,) int64
    nodes: tuple[str, ...] = ()
    layer: str = ""

    @property
    def depthwise(self) -> bool:
        return self.groups > 1 and self.weights.shape[0] == self.groups and self.weights.shape[1] == 1

    @property
    def in_channels(self) -> int:
        return self.weights.shape[1] * self.groups

    @property
    def out_channels(self) -> int:
        return self.weights.shape[0]

    @property
    def kernel(self) -> tuple[int, int]:
        return self.weights.shape[2:]

    @property
    def centred(self) -> bool:
        """Whether the kernel is square and odd, padded by half of it."""
        size = self.kernel[0]
        return self.kernel == (size, size) and size % 2 == 1 and self.pads == (size // 2,) * 4


@dataclass(frozen=True)
class Sum:
    """Sum of two tensors of one scale, then a staircase over the sum (the same for every channel, C = 1)."""

    name: str
    sources: tuple[str, str]
    output: str
    staircase: Staircase


@dataclass(frozen=True)
class Upsample:
    """Bilinear x2 (``align_corners=False``): accumulator = 16 times the real value, then a staircase (C = 1)."""

    name: str
    source: str
    output: str
    staircase: Staircase


@dataclass(frozen=True)
class MaxPool:
    """2x2, stride 2."""

    name: str
    source: str
    output: str


@dataclass(frozen=True)
class Concat:
    """Channels of the first source, then of the next, and so on; one scale."""

    name: str
    sources: tuple[str, ...]
    output: str


Step = Conv | Sum | Upsample | MaxPool | Concat


@dataclass(frozen=True)
class Program:
    """Steps in order of execution. ``codes`` and ``channels`` are keyed by tensor name."""

    source: str
    output: str
    height: int
    width: int
    logit_scale: float
    steps: tuple[Step, ...]
    codes: dict[str, Codes]
    channels: dict[str, int]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of one image."""
        return self.height, self.width, self.channels[self.source]

    @property
    def convolutions(self) -> list[Conv]:
        return [step for step in self.steps if isinstance(step, Conv)]
