"""The sum of all pixels as a node of FINN's HLS back end."""

from __future__ import annotations

from pathlib import Path

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.global_sum.kernel import GlobalSum_rtl
from hw_build.kernels.hls_node import HlsNode, cpp_type


@register_custom_op
class GlobalSum_hls(GlobalSum_rtl, HlsNode):
    """The C++ of ``global_sum.hpp``."""

    header = Path(__file__).with_name("global_sum.hpp")

    def cpp_function(self) -> str:
        """global_sum."""
        height, width = self.image_dim
        types = ", ".join(map(cpp_type, (self.get_input_datatype(0), self.get_output_datatype(0))))
        return f"global_sum<{height * width}, {self.get_nodeattr('NumChannels') // self.pe}, {self.pe}, {types}>"
