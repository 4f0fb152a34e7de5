"""Zeros around an image as a node of FINN's HLS back end."""

from __future__ import annotations

from pathlib import Path

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.hls_node import HlsNode
from hw_build.kernels.zero_pad.kernel import ZeroPad_rtl


@register_custom_op
class ZeroPad_hls(ZeroPad_rtl, HlsNode):
    """The C++ of ``zero_pad.hpp``."""

    header = Path(__file__).with_name("zero_pad.hpp")

    def cpp_function(self) -> str:
        """zero_pad."""
        sizes = [*self.image_dim, self.get_nodeattr("NumChannels") // self.pe, *self.pads, *self.groups_around]
        return f"zero_pad<{', '.join(map(str, sizes))}, ap_uint<{self.get_instream_width(0)}>>"
