"""One integer added to each channel."""

from hw_build.kernels.bias.kernel import ChannelBias_rtl, bias_reference

__all__ = ["ChannelBias_rtl", "bias_reference"]
