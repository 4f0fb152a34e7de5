"""2x2 max-pool."""

from hw_build.kernels.maxpool.kernel import MaxPool2x2_rtl, maxpool_reference

__all__ = ["MaxPool2x2_rtl", "maxpool_reference"]
