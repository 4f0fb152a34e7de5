"""A part of an image as a node of FINN's HLS back end."""

from __future__ import annotations

from pathlib import Path

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.crop.kernel import StreamCrop_rtl
from hw_build.kernels.hls_node import HlsNode


@register_custom_op
class StreamCrop_hls(StreamCrop_rtl, HlsNode):
    """The C++ of ``stream_crop.hpp``."""

    header = Path(__file__).with_name("stream_crop.hpp")

    def cpp_function(self) -> str:
        """stream_crop."""
        height, width = self.image_dim
        rows, columns, channels = self.kept
        kept = [end for each in (rows, columns) for end in (each[0], each[-1], each.step)]
        groups = [self.get_nodeattr("NumChannels") // self.pe, channels[0] // self.pe, channels[-1] // self.pe]
        sizes = ", ".join(map(str, [height, width, *kept, *groups]))
        return f"stream_crop<{sizes}, ap_uint<{self.get_instream_width(0)}>>"
