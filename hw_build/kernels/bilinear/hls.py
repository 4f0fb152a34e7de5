"""Bilinear x2 upsampling as a node of FINN's HLS back end: what FINN lacks of a U-shaped network.

It stands among FINN's own HLS nodes (their domain and registry), so that FINN's transformations take it as one.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from finn.custom_op.fpgadataflow.hls import register_custom_op
from finn.custom_op.fpgadataflow.hlsbackend import HLSBackend

from hw_build.kernels.bilinear.kernel import BilinearUpsample2x_rtl
from hw_build.kernels.stream_kernel import StreamKernel

HEADER = Path(__file__).parents[2] / "backends" / "hls" / "cpp" / "bilinear2x.hpp"


@register_custom_op
class BilinearUpsample2x_hls(BilinearUpsample2x_rtl, HLSBackend):
    """Attributes, shapes and numpy reference of the RTL kernel; the C++ of ``hls/cpp/bilinear2x.hpp``."""

    def get_nodeattr_types(self):
        """Those of the kernel and of FINN's HLS nodes."""
        return HLSBackend.get_nodeattr_types(self) | BilinearUpsample2x_rtl.get_nodeattr_types(self)

    def execute_node(self, context, graph) -> None:
        """The numpy reference; FINN's own execution of HLS nodes needs Vitis HLS."""
        StreamKernel.execute_node(self, context, graph)

    def generate_params(self, model, path) -> None:
        """The header, beside the generated source."""
        shutil.copyfile(HEADER, Path(path) / HEADER.name)

    def global_includes(self) -> None:
        """The header."""
        self.code_gen_dict["$GLOBALS$"] = [f'#include "{HEADER.name}"']

    def defines(self, var) -> None:
        """Nothing: all parameters are template arguments."""
        self.code_gen_dict["$DEFINES$"] = []

    def docompute(self) -> None:
        """The call for one frame."""
        height, width = self.image_dim
        data_type = self.get_input_datatype(0)
        kind, bits = "ap_int" if data_type.signed() else "ap_uint", data_type.bitwidth()
        types = ", ".join(f"{kind}<{bits + more}>" for more in (0, 2, 4))
        sizes = f"{height}, {width}, {self.get_nodeattr('NumChannels')}, {self.pe}"
        self.code_gen_dict["$DOCOMPUTE$"] = [f"bilinear2x<{sizes}, {types}>(in0_V, out0_V);"]

    def blackboxfunction(self) -> None:
        """The top function, with streams of packed beats."""
        ports = (("in0_V", self.get_instream_width(0)), ("out0_V", self.get_outstream_width(0)))
        streams = ", ".join(f"hls::stream<ap_uint<{bits}>> &{name}" for name, bits in ports)
        self.code_gen_dict["$BLACKBOXFUNCTION$"] = [f"void {self.onnx_node.name}({streams})"]
