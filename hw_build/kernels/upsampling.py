"""Kernels that make several rows and columns of each: factor and size."""

from __future__ import annotations

from hw_build.kernels.row_memory import RowMemoryKernel


class UpsamplingKernel(RowMemoryKernel):
    """Input x (1,H,W,C), output (1,fH,fW,C); attribute Factor, which a kernel declares, is f."""

    @property
    def factor(self) -> int:
        """Pixels of the output for one of the input, along each side."""
        return self.get_nodeattr("Factor")

    def output_size(self) -> tuple[int, int]:
        """(fH, fW)."""
        height, width = self.image_dim
        return self.factor * height, self.factor * width
