"""Nearest upsampling."""

from hw_build.kernels.nearest.kernel import NearestUpsample_rtl, nearest_reference

__all__ = ["NearestUpsample_rtl", "nearest_reference"]
