"""Product of two streams."""

from hw_build.kernels.multiply.kernel import StreamMultiply_rtl, multiply_reference

__all__ = ["StreamMultiply_rtl", "multiply_reference"]
