"""What sums of products can be, from the weights themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from qonnx.core.datatype import BaseDataType


def product_range(weights: np.ndarray, x_type: BaseDataType) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest sum over the last axis of ``weights``, int64, times codes of ``x_type`` or zeros."""
    negative, positive = np.minimum(weights, 0).sum(axis=-1), np.maximum(weights, 0).sum(axis=-1)
    low, high = int(x_type.min()), int(x_type.max())
    return negative * high + positive * low, positive * high + negative * low
