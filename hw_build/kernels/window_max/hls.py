"""The maximum of windows as a node of FINN's HLS back end."""

from __future__ import annotations

from pathlib import Path

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.hls_node import HlsNode, cpp_type
from hw_build.kernels.window_max.kernel import WindowMax_rtl


@register_custom_op
class WindowMax_hls(WindowMax_rtl, HlsNode):
    """The C++ of ``window_max.hpp``."""

    header = Path(__file__).with_name("window_max.hpp")

    def cpp_function(self) -> str:
        """window_max."""
        height, width = self.image_dim
        sizes = f"{height * width}, {self.taps}, {self.output_channels()}, {self.pe}"
        return f"window_max<{sizes}, {cpp_type(self.get_input_datatype(0))}>"
