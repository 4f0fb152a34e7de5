"""Sum of all pixels of a frame."""

from hw_build.kernels.global_sum.kernel import GlobalSum_rtl, global_sum_reference

__all__ = ["GlobalSum_rtl", "global_sum_reference"]
