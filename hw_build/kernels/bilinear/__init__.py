"""Bilinear upsampling."""

from hw_build.kernels.bilinear.kernel import BilinearUpsample_rtl, bilinear_reference

__all__ = ["BilinearUpsample_rtl", "bilinear_reference"]
