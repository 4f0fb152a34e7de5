"""Bilinear x2 upsampling with its thresholds."""

from hw_build.kernels.bilinear_threshold.kernel import BilinearThreshold2x_rtl

__all__ = ["BilinearThreshold2x_rtl"]
