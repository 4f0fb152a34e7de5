"""Bilinear x2 upsampling."""

from hw_build.kernels.bilinear.kernel import BilinearUpsample2x_rtl, bilinear_reference

__all__ = ["BilinearUpsample2x_rtl", "bilinear_reference"]
