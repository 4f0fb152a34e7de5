"""Sum of two streams with its thresholds."""

from hw_build.kernels.add_threshold.kernel import StreamAddThreshold_rtl

__all__ = ["StreamAddThreshold_rtl"]
