"""Concatenation of two streams."""

from hw_build.kernels.concat.kernel import StreamConcat_rtl, concat_reference

__all__ = ["StreamConcat_rtl", "concat_reference"]
