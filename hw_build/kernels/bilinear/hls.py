"""Bilinear upsampling as a node of FINN's HLS back end."""

from __future__ import annotations

from pathlib import Path

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.bilinear.kernel import BilinearUpsample_rtl
from hw_build.kernels.hls_node import HlsNode, cpp_type


@register_custom_op
class BilinearUpsample_hls(BilinearUpsample_rtl, HlsNode):
    """The C++ of ``bilinear.hpp``."""

    header = Path(__file__).with_name("bilinear.hpp")

    def cpp_function(self) -> str:
        """bilinear."""
        height, width = self.image_dim
        sizes = f"{height}, {width}, {self.get_nodeattr('NumChannels')}, {self.pe}, {self.factor}"
        types = ", ".join(
            cpp_type(self.get_input_datatype(0), more) for more in (0, self.weight_bits, 2 * self.weight_bits)
        )
        return f"bilinear<{sizes}, {types}>"
