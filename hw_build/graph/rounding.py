"""Where a quantizer's codes begin: each code's least float32, whatever its rounding mode.

A quantizer is monotonic, so code >= k is x >= T_k with T_k the least float32 that it gives k or more. T_k is searched
for with qonnx' own rounding, so a tie goes to the side to which qonnx sends it: ties to even, away from zero, towards
it, and the modes without ties alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.custom_op.general.intquant import resolve_rounding_mode

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDING_MODES = ("ROUND", "HALF_EVEN", "HALF_UP", "HALF_DOWN", "UP", "DOWN", "FLOOR", "CEIL")


def code_thresholds(codes: np.ndarray, scale: float, rounding_mode: str) -> np.ndarray:
    """Least float32 x, for each k of ``codes`` (n,), for which round(x / scale) is at least k; (n,) float32."""
    rounded, step = resolve_rounding_mode(rounding_mode), np.float32(scale)
    return least_values(codes, step, lambda values: rounded(values / step))


def least_values(
    codes: np.ndarray, step: np.float32, code_of: Callable[[np.ndarray], np.ndarray], reach: float = 1.5
) -> np.ndarray:
    """Least float32 x, for each k of ``codes`` (n,), whose code is at least k; (n,) float32.

    ``code_of`` float32 values rises, and is less than ``reach`` off value / step.
    """
    low, high = (_order((codes + side).astype(np.float32) * step) for side in (-reach, reach))
    while np.any(high - low > 1):  # code of low < k <= code of high; halved until they are neighbours
        middle = (low + high) // 2
        reached = code_of(_float(middle)) >= codes
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return _float(high)


def _order(values: np.ndarray) -> np.ndarray:
    """float32 -> int64 that count through the floats in their order."""
    bits = values.astype(np.float32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _float(order: np.ndarray) -> np.ndarray:
    """The inverse of `_order`."""
    bits = np.where(order < 0, -order | 0x80000000, order)
    return bits.astype(np.uint32).view(np.float32)
