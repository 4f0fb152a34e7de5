"""Sum of two streams."""

from hw_build.kernels.add.kernel import StreamAdd_rtl, add_reference

__all__ = ["StreamAdd_rtl", "add_reference"]
