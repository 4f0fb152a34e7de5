"""Integer ranges that tensors can really take: from the range of the input codes and the actual weights, not from
widths.
"""

from __future__ import annotations

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from hw_build.graph.editor import smallest_integer_type

FLOAT32_BITS = 24  # of an integer that float32 holds exactly


def dot_product_range(weights: np.ndarray, input_type: BaseDataType) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest sum per output channel; weights (OC, taps...), inputs anywhere in ``input_type``.

    Zero padding adds nothing new, since every integer type here holds 0.
    """
    flat = weights.reshape(weights.shape[0], -1).astype(np.float64)
    positive, negative = np.clip(flat, 0, None).sum(axis=1), np.clip(flat, None, 0).sum(axis=1)
    low, high = float(input_type.min()), float(input_type.max())
    return positive * low + negative * high, positive * high + negative * low


def accumulator_type(low: np.ndarray, high: np.ndarray) -> BaseDataType:
    """Signed type for sums in [low, high] that also holds high + 1, the threshold that is never reached."""
    return smallest_integer_type(min(int(np.min(low)), -1), int(np.max(high)) + 1)


def sum_type(first: BaseDataType, second: BaseDataType) -> BaseDataType:
    """Type of the sum of two codes."""
    return smallest_integer_type(int(first.min() + second.min()), int(first.max() + second.max()))


def fraction_type(datatype: BaseDataType, bits: int) -> BaseDataType:
    """Type of multiples of 2**-bits between codes of ``datatype``."""
    whole = datatype.bitwidth() + (not datatype.signed())
    return DataType[f"FIXED<{whole + bits},{whole}>"]


def scaled_type(datatype: BaseDataType, factor: int) -> BaseDataType:
    """Type of ``factor`` times a code."""
    return smallest_integer_type(int(datatype.min()) * factor, int(datatype.max()) * factor)
