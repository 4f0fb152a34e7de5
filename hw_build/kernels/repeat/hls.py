"""A pixel or a channel repeated, as a node of FINN's HLS back end."""

from __future__ import annotations

from pathlib import Path

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.hls_node import HlsNode
from hw_build.kernels.repeat.kernel import StreamRepeat_rtl


@register_custom_op
class StreamRepeat_hls(StreamRepeat_rtl, HlsNode):
    """The C++ of ``stream_repeat.hpp``."""

    header = Path(__file__).with_name("stream_repeat.hpp")

    def cpp_function(self) -> str:
        """stream_repeat."""
        sizes = [self.blocks, self.times, self.groups, self.input_elements(), self.pe]
        return f"stream_repeat<{', '.join(map(str, [*sizes, self.get_input_datatype(0).bitwidth()]))}>"
