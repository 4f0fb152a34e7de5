"""Bilinear x2 upsampling as a node of FINN's HLS back end."""

from __future__ import annotations

from pathlib import Path

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.bilinear.kernel import BilinearUpsample2x_rtl
from hw_build.kernels.hls_node import HlsNode, cpp_type


@register_custom_op
class BilinearUpsample2x_hls(BilinearUpsample2x_rtl, HlsNode):
    """The C++ of ``bilinear2x.hpp``."""

    header = Path(__file__).with_name("bilinear2x.hpp")

    def cpp_function(self) -> str:
        """bilinear2x."""
        height, width = self.image_dim
        sizes = f"{height}, {width}, {self.get_nodeattr('NumChannels')}, {self.pe}"
        types = ", ".join(cpp_type(self.get_input_datatype(0), more) for more in (0, 2, 4))
        return f"bilinear2x<{sizes}, {types}>"
