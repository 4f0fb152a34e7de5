"""2x2 average pooling as a node of FINN's HLS back end."""

from __future__ import annotations

from pathlib import Path

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.average_pool.kernel import AveragePool2x2_rtl
from hw_build.kernels.hls_node import HlsNode, cpp_type


@register_custom_op
class AveragePool2x2_hls(AveragePool2x2_rtl, HlsNode):
    """The C++ of ``average_pool2x2.hpp``."""

    header = Path(__file__).with_name("average_pool2x2.hpp")

    def cpp_function(self) -> str:
        """average_pool2x2."""
        height, width = self.image_dim
        sizes = f"{height}, {width}, {self.get_nodeattr('NumChannels')}, {self.pe}"
        types = ", ".join(cpp_type(self.get_input_datatype(0), more) for more in (0, 2))
        return f"average_pool2x2<{sizes}, {types}>"
