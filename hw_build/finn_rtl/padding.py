"""FINN's FMPadding: zeros around an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.finn_rtl.node import FinnNode, library, port
from hw_build.kernels.base import RtlInstance
from hw_build.kernels.rows import Rows, padded_rows

if TYPE_CHECKING:
    from pathlib import Path

    from qonnx.core.modelwrapper import ModelWrapper


class Padding(FinnNode):
    """Attribute Padding is [top, left, bottom, right]."""

    name = "FMPadding"

    def rtl_instance(self, model: ModelWrapper, code_gen_dir: Path, fpga_part: str) -> RtlInstance:
        """FMPadding_rtl: fmpadding_axi with FINN's own counter limits; its AXI-Lite port stays unconnected."""
        datatype, simd = self.operation.get_input_datatype(), self.operation.get_nodeattr("SIMD")
        values = self.operation.get_template_values(
            self.operation.get_nodeattr("ImgDim"),
            self.operation.get_nodeattr("Padding"),
            self.operation.get_nodeattr("NumChannels"),
            simd,
            datatype,
        )
        parameters = {k: str(v) for k, v in values.items() if k not in ("TOP_MODULE_NAME", "STREAM_BITS")}
        return RtlInstance(
            module="fmpadding_axi",
            clock="ap_clk",
            reset_n="ap_rst_n",
            inputs=(port("s_axis", simd, datatype.bitwidth()),),
            outputs=(port("m_axis", simd, datatype.bitwidth()),),
            files=library("fmpadding/hdl/axi2we.sv", "fmpadding/hdl/fmpadding.sv", "fmpadding/hdl/fmpadding_axi.sv"),
            parameters=parameters,
            origin="finn",
        )

    def rows(self) -> Rows:
        """Those of the image, and zeros."""
        above, _, below, _ = self.operation.get_nodeattr("Padding")
        return padded_rows(self.operation.get_nodeattr("ImgDim")[0], above, below)

    def resize(self, size: tuple[int, int]) -> tuple[int, int]:
        """Larger by its zeros."""
        self.operation.set_nodeattr("ImgDim", list(size))
        top, left, bottom, right = self.operation.get_nodeattr("Padding")
        return size[0] + top + bottom, size[1] + left + right

    def folding_limits(self) -> dict[str, tuple[str, int]]:
        """SIMD channels a beat."""
        return {"SIMD": self.whole("NumChannels")}

    def cpp_call(self) -> str:
        """pad_image of padding.hpp."""
        op = self.operation
        height, width = op.get_nodeattr("ImgDim")
        groups = op.get_nodeattr("NumChannels") // op.get_nodeattr("SIMD")
        return f"pad_image<{', '.join(map(str, [height, width, groups, *op.get_nodeattr('Padding')]))}>"
