"""Nearest upsampling as a node of FINN's HLS back end; FINN's own knows a factor of square images alone."""

from __future__ import annotations

from pathlib import Path

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.hls_node import HlsNode
from hw_build.kernels.nearest.kernel import NearestUpsample_rtl


@register_custom_op
class NearestUpsample_hls(NearestUpsample_rtl, HlsNode):
    """The C++ of ``upsample_nearest.hpp``."""

    header = Path(__file__).with_name("upsample_nearest.hpp")

    def cpp_function(self) -> str:
        """upsample_nearest."""
        height, width = self.image_dim
        groups = self.get_nodeattr("NumChannels") // self.pe
        return f"upsample_nearest<{height}, {width}, {groups}, {self.factor}, ap_uint<{self.get_instream_width(0)}>>"
