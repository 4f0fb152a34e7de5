"""Maximum over the taps of windows."""

from hw_build.kernels.window_max.kernel import WindowMax_rtl, window_max_reference

__all__ = ["WindowMax_rtl", "window_max_reference"]
