"""Zeros around an image and its channels."""

from hw_build.kernels.zero_pad.kernel import ZeroPad_rtl, zero_pad_reference

__all__ = ["ZeroPad_rtl", "zero_pad_reference"]
