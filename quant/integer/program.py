"""The integer program of an exported network: what the accelerator computes, without scales and without floats.

Every tensor is integer codes. Filters, sums and means make an exact integer accumulator; a staircase turns it into the
next codes:

    code = low + number of thresholds <= sign * accumulator            (sign = -1 where BN's gamma is negative)

Only the last convolution has no staircase: its accumulator plus an integer bias is the logit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SIDES_OF_VOLUMES = 3


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


class Step:
    """What makes one tensor of others; its dataclass stands with its operator (`quant.operators`)."""

    name: str
    output: str


@dataclass(frozen=True)
class Conv(Step):
    """Convolution with zeros around its source; the one without a staircase gives the logits, accumulator + ``bias``.

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
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)

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
        """Whether the kernel is square and odd, padded by half of it, of stride and dilation 1."""
        size = self.kernel[0]
        moves = self.strides + self.dilations
        return self.kernel == (size, size) and size % 2 == 1 and self.pads == (size // 2,) * 4 and moves == (1,) * 4


@dataclass(frozen=True)
class Table(Step):
    """``words`` (C, n) int64, C = 1 where all channels have the same: the code for each code of the source. ``layer``:
    the name of the module whose quantizer ends it, where known.
    """

    name: str
    source: str
    output: str
    words: np.ndarray
    layer: str = ""


@dataclass(frozen=True)
class Program:
    """Steps in order of execution. ``size`` is (H, W) of the image or (X, Y, Z) of the volume; ``codes`` and
    ``channels`` are keyed by tensor name.
    """

    source: str
    output: str
    size: tuple[int, ...]
    logit_scale: float
    steps: tuple[Step, ...]
    codes: dict[str, Codes]
    channels: dict[str, int]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(H, W, C) of one image, or (X, Y, Z, C)."""
        return *self.size, self.channels[self.source]

    @property
    def is_of_volumes(self) -> bool:
        """Whether it has volumes as its input, which the torch engine alone takes."""
        return len(self.size) == _SIDES_OF_VOLUMES

    @property
    def convolutions(self) -> list[Conv]:
        return [step for step in self.steps if isinstance(step, Conv)]


def window_sizes(
    size: tuple[int, int],
    kernel: tuple[int, int],
    pads: tuple[int, int, int, int],
    strides: tuple[int, int] = (1, 1),
    dilations: tuple[int, int] = (1, 1),
) -> tuple[int, int]:
    """(H, W) of the windows of an image of ``size``; ``pads`` as of ``Conv``."""
    spans = [step * (side - 1) + 1 for step, side in zip(dilations, kernel, strict=True)]
    padded = (size[0] + pads[0] + pads[2], size[1] + pads[1] + pads[3])
    height, width = ((side - span) // step + 1 for side, span, step in zip(padded, spans, strides, strict=True))
    return height, width
