"""Sum of all pixels of a frame: Y[c] = sum over y, x of X[y, x, c], as a global average before its division."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError
from hw_build.kernels.channel_fold import SumKernel
from hw_build.kernels.rows import Rows, global_rows

if TYPE_CHECKING:
    import numpy as np


def global_sum_reference(x: np.ndarray) -> np.ndarray:
    """x (N, H, W, C) -> (N, 1, 1, C)."""
    return x.sum(axis=(1, 2), keepdims=True)


class GlobalSum_rtl(SumKernel):
    """Input x (1,H,W,C), signed or unsigned; output (1,1,1,C) in outputDataType, which holds every sum."""

    summed = "pixels"

    @property
    def times(self) -> int:
        """Pixels of a frame."""
        return self.image_dim[0] * self.image_dim[1]

    def output_size(self) -> tuple[int, int]:
        """One pixel."""
        return 1, 1

    def resize(self, size: tuple[int, int]) -> tuple[int, int]:
        """Its own size: what follows divides by the number of pixels."""
        if tuple(size) != self.image_dim:
            raise ConfigError(
                f"{self.onnx_node.name} averages {self.times} pixels, not {size[0]}x{size[1]}, "
                "and what follows it was lowered for that number: export the network at the size that is needed"
            )
        return self.output_size()

    def rows(self) -> Rows:
        """All for one."""
        return global_rows(self.image_dim[0])

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``global_sum_reference``."""
        return [global_sum_reference(inputs[0])]
