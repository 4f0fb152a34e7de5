"""Channels in another order, left out or repeated."""

from hw_build.kernels.gather.kernel import ChannelGather_rtl, gather_reference

__all__ = ["ChannelGather_rtl", "gather_reference"]
