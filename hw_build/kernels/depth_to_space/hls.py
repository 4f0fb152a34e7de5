"""Depth to space as a node of FINN's HLS back end."""

from __future__ import annotations

from pathlib import Path

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.depth_to_space.kernel import DepthToSpace_rtl
from hw_build.kernels.hls_node import HlsNode


@register_custom_op
class DepthToSpace_hls(DepthToSpace_rtl, HlsNode):
    """The C++ of ``depth_to_space.hpp``."""

    header = Path(__file__).with_name("depth_to_space.hpp")

    def cpp_function(self) -> str:
        """depth_to_space."""
        height, width = self.image_dim
        groups = self.output_channels() // self.pe
        return f"depth_to_space<{height}, {width}, {groups}, {self.block}, ap_uint<{self.get_instream_width(0)}>>"
