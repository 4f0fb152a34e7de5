"""Sums of blocks of rows, Y[y, x, c] = sum over t < R of X[R*y + t, x, c], or of columns, X[y, R*x + t, c].

Blocks do not overlap, so that beats of a stream come as those of windows whose taps follow each other: no row is kept
but that of the sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError
from hw_build.kernels.channel_fold import SumKernel
from hw_build.kernels.rows import Rows, window_rows

if TYPE_CHECKING:
    import numpy as np


def block_sum_reference(x: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """x (N, H, W, C) -> (N, H / rows, W / columns, C)."""
    images, height, width, channels = x.shape
    return x.reshape(images, height // rows, rows, width // columns, columns, channels).sum(axis=(2, 4))


class BlockSum_rtl(SumKernel):
    """Input x (1,H,W,C), signed or unsigned; output (1,H/Rows,W/Columns,C) in outputDataType, which holds every sum.

    One of Rows and Columns is 1.
    """

    summed = "pixels"

    def get_nodeattr_types(self):
        """Rows and columns of a block."""
        return super().get_nodeattr_types() | {"Rows": ("i", True, 0), "Columns": ("i", True, 0)}

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.get_nodeattr("Rows"), self.get_nodeattr("Columns")

    @property
    def times(self) -> int:
        """Pixels of a block."""
        rows, columns = self.block
        return rows * columns

    @property
    def codes_a_time(self) -> int:
        """Those of a row, or of a pixel."""
        rows, _ = self.block
        return self.output_channels() * (self.image_dim[1] if rows > 1 else 1)

    def output_size(self) -> tuple[int, int]:
        """(H/Rows, W/Columns)."""
        height, width = (side // block for side, block in zip(self.image_dim, self.block, strict=True))
        return height, width

    def resize(self, size: tuple[int, int]) -> tuple[int, int]:
        """Its own size: what follows divides by the number of pixels, which the image may have decided."""
        if tuple(size) != self.image_dim:
            raise ConfigError(
                f"{self.onnx_node.name} averages lines or blocks of {self.image_dim[0]}x{self.image_dim[1]} pixels, "
                f"not {size[0]}x{size[1]}: export the network at the size that is needed"
            )
        return self.output_size()

    def rows(self) -> Rows:
        """Those of a block for each."""
        rows, _ = self.block
        return window_rows(self.image_dim[0], kernel=rows, stride=rows)

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``block_sum_reference``."""
        return [block_sum_reference(inputs[0], *self.block)]

    def verify_node(self) -> None:
        """Several rows or several columns, which the image is a multiple of."""
        super().verify_node()
        whole = all(side % block == 0 for side, block in zip(self.image_dim, self.block, strict=True))
        if min(self.block) != 1 or self.times < 2 or not whole:
            raise ConfigError(
                f"{self.onnx_node.name}: Rows={self.block[0]} and Columns={self.block[1]} must divide the image's "
                f"{self.image_dim[0]} and {self.image_dim[1]}, and one of them must be 1, the other 2 or more"
            )
