"""2x2 average pooling, times four."""

from hw_build.kernels.average_pool.kernel import AveragePool2x2_rtl, average_pool_reference

__all__ = ["AveragePool2x2_rtl", "average_pool_reference"]
