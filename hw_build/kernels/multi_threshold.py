"""Thresholds as numpy: what every kernel that counts them compares itself with."""

from __future__ import annotations

import numpy as np


def multi_threshold(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Per channel, the number of thresholds <= value: values (..., C), thresholds (1 or C, n) -> (..., C)."""
    ordered = np.sort(thresholds, axis=1)
    out = np.empty(values.shape, dtype=np.int64)
    for channel in range(values.shape[-1]):
        row = ordered[channel if ordered.shape[0] > 1 else 0]
        out[..., channel] = np.searchsorted(row, values[..., channel], side="right")
    return out
