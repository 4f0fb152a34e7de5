"""One pixel repeated all over an image, or one channel for all."""

from hw_build.kernels.repeat.kernel import StreamRepeat_rtl, repeat_reference

__all__ = ["StreamRepeat_rtl", "repeat_reference"]
