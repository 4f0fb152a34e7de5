"""Sum of blocks of rows or of columns."""

from hw_build.kernels.block_sum.kernel import BlockSum_rtl, block_sum_reference

__all__ = ["BlockSum_rtl", "block_sum_reference"]
