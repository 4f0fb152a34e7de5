"""Kernels over windows of 2x2 pixels with stride 2, which keep one row of what pairs of pixels give."""

from __future__ import annotations

from typing import ClassVar

from hw_build.base.errors import ConfigError
from hw_build.kernels.image_size import halved
from hw_build.kernels.row_memory import RowMemoryKernel
from hw_build.kernels.rows import Rows, window_rows


class HalvingKernel(RowMemoryKernel):
    """Input x (1,H,W,C), H and W even; output (1,H/2,W/2,C). ``told``: the operation, and what it is among others."""

    told: ClassVar[tuple[str, str]]

    def output_size(self) -> tuple[int, int]:
        """(H/2, W/2)."""
        height, width = self.image_dim
        return height // 2, width // 2

    def resize(self, size: tuple[int, int]) -> tuple[int, int]:
        """Even sides only."""
        halved(self.onnx_node.name, self.onnx_node.op_type, size)
        return super().resize(size)

    def rows(self) -> Rows:
        """A window of two, two further each time."""
        return window_rows(self.image_dim[0], kernel=2, stride=2)

    def verify_node(self) -> None:
        """H and W must be even."""
        super().verify_node()
        height, width = self.image_dim
        if height % 2 or width % 2:
            raise ConfigError(
                f"{self.onnx_node.name}: ImgDim={[height, width]} must be even for {self.told[0]}; use an image whose "
                f"sides are multiples of 2 to the number of {self.told[1]}"
            )

    def rtl_parameters(self) -> dict[str, int | str]:
        """Those of the RTL module."""
        return {
            "WIDTH": self.image_dim[1],
            "CHANNELS": self.get_nodeattr("NumChannels"),
            "PE": self.pe,
            **self.input_parameters(),
        } | self.row_memory_parameters()
