"""Channels in another order as a node of FINN's HLS back end."""

from __future__ import annotations

from pathlib import Path

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.gather.kernel import ChannelGather_rtl
from hw_build.kernels.hls_node import HlsNode


@register_custom_op
class ChannelGather_hls(ChannelGather_rtl, HlsNode):
    """The C++ of ``channel_gather.hpp``."""

    header = Path(__file__).with_name("channel_gather.hpp")
    constants = ("table",)

    def cpp_function(self) -> str:
        """channel_gather."""
        height, width = self.image_dim
        groups = [channels // self.pe for channels in (self.get_nodeattr("NumChannels"), self.output_channels())]
        sizes = [height * width, *groups, self.pe, self.get_input_datatype(0).bitwidth()]
        return f"channel_gather<{', '.join(map(str, sizes))}>"

    def cpp_constants(self, model) -> str:
        """Channel of the input for each of the output."""
        return f"static const int table[{self.output_channels()}] = {{{', '.join(map(str, self.index))}}};\n"
