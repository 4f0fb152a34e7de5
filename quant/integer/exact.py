"""Up to where float32 execution holds integers exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quant.base.errors import ExportError

if TYPE_CHECKING:
    import numpy as np

# Accumulators and logits below it are exact in a float32 convolution, in any order of its sums.
EXACT_FLOAT32 = 2**24


def require_exact(name: str, what: str, low: np.ndarray, high: np.ndarray) -> None:
    """ExportError where integers ``low`` to ``high`` of the layer ``name`` are too large for float32."""
    largest = max(-low.min(), high.max())
    if largest >= EXACT_FLOAT32:
        raise ExportError(
            f"convolution '{name}' reaches {what} of {largest}, beyond the {EXACT_FLOAT32} that float32 execution holds"
            " exactly; use fewer bits"
        )
