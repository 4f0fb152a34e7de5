"""Sums of channels as nodes of FINN's HLS back end."""

from __future__ import annotations

from pathlib import Path

from hw_build.kernels.channel_fold import SumKernel
from hw_build.kernels.hls_node import HlsNode, cpp_type


class SumHlsNode(SumKernel, HlsNode):
    """The C++ of ``channel_sum.hpp``; stands behind its kernel among the bases of a node."""

    header = Path(__file__).with_name("channel_sum.hpp")

    def cpp_function(self) -> str:
        """channel_sum."""
        height, width = self.output_size()
        sums = height * width * self.output_channels()
        sizes = [sums // self.codes_a_time, self.times, self.codes_a_time // self.pe, self.pe]
        types = map(cpp_type, (self.get_input_datatype(0), self.get_output_datatype(0)))
        return f"channel_sum<{', '.join(map(str, [*sizes, *types]))}>"
