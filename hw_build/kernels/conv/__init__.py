"""Dense convolution with its thresholds or its bias."""

from hw_build.kernels.conv.kernel import ConvThreshold_rtl, conv_accumulate, conv_reference

__all__ = ["ConvThreshold_rtl", "conv_accumulate", "conv_reference"]
