"""Depthwise convolution with its thresholds and its residual sum."""

from hw_build.kernels.depthwise.kernel import DepthwiseConv_rtl, depthwise_accumulate, depthwise_reference

__all__ = ["DepthwiseConv_rtl", "depthwise_accumulate", "depthwise_reference"]
