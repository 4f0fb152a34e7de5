"""Sum over the taps of windows."""

from hw_build.kernels.window_sum.kernel import WindowSum_rtl, window_sum_reference

__all__ = ["WindowSum_rtl", "window_sum_reference"]
