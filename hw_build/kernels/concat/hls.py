"""Concatenation as a node of FINN's HLS back end; FINN's own needs both inputs of one signedness."""

from __future__ import annotations

from pathlib import Path

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.concat.kernel import StreamConcat_rtl
from hw_build.kernels.hls_node import HlsNode, cpp_type


@register_custom_op
class StreamConcat_hls(StreamConcat_rtl, HlsNode):
    """The C++ of ``stream_concat.hpp``."""

    header = Path(__file__).with_name("stream_concat.hpp")

    def cpp_function(self) -> str:
        """stream_concat."""
        height, width = self.image_dim
        groups = [self.input_channels(ind) // self.pe for ind in range(2)]
        sizes = ", ".join(map(str, [height * width, *groups, self.pe, *self.times]))
        types = (self.get_input_datatype(0), self.get_input_datatype(1), self.get_output_datatype(0))
        return f"stream_concat<{sizes}, {', '.join(map(cpp_type, types))}>"
