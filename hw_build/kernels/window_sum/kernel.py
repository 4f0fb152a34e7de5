"""Sum over the taps of windows: Y[y, x, c] = sum over t of X[y, x, t*C + c], as an average before its division."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.kernels.channel_fold import SumKernel
from hw_build.kernels.windows import WindowKernel

if TYPE_CHECKING:
    import numpy as np


def window_sum_reference(x: np.ndarray, taps: int) -> np.ndarray:
    """x (N, H, W, taps*C) -> (N, H, W, C)."""
    return x.reshape(*x.shape[:3], taps, -1).sum(axis=3)


class WindowSum_rtl(WindowKernel, SumKernel):
    """A `WindowKernel` of sums."""

    summed = "taps"

    @property
    def times(self) -> int:
        """Pixels of a window."""
        return self.taps

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``window_sum_reference``."""
        return [window_sum_reference(inputs[0], self.taps)]
