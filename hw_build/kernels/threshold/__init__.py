"""Thresholds on a stream."""

from hw_build.kernels.threshold.kernel import Threshold_rtl

__all__ = ["Threshold_rtl"]
