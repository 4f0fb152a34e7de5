"""FINN's ConvolutionInputGenerator: the windows of an image, one after the other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hw_build.finn_rtl.node import FinnNode, Folding, port
from hw_build.kernels.base import RtlInstance
from hw_build.kernels.rows import Rows, window_rows, window_size

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper

    from hw_build.kernels.fabric import Fabric


class SlidingWindow(FinnNode):
    """Its attributes are of [rows, columns] each."""

    name = "ConvolutionInputGenerator"

    def rtl_instance(self, model: ModelWrapper, code_gen_dir: Path) -> RtlInstance:
        """ConvolutionInputGenerator_rtl: FINN generates a module of its own per node."""
        self.operation.generate_hdl(model, fpgapart=None, clk=None)  # which it does not read: one RTL for all
        bits = self.operation.get_input_datatype().bitwidth()
        return RtlInstance(
            module=self.operation.get_nodeattr("gen_top_module"),
            clock="ap_clk",
            reset_n="ap_rst_n",
            inputs=(port("in0_V", self.operation.get_instream_width() // bits, bits),),
            outputs=(port("out0_V", self.operation.get_outstream_width() // bits, bits),),
            files=tuple(Path(f) for f in self.operation.get_rtl_file_list(abspath=True)),
            origin="finn",
        )

    def rows(self) -> Rows:
        """A window without padding."""
        rows_in, kernel, stride, dilation = (
            self.operation.get_nodeattr(name)[0] for name in ("IFMDim", "ConvKernelDim", "Stride", "Dilation")
        )
        return window_rows(rows_in, kernel=kernel, stride=stride, dilation=dilation)

    def resize(self, size: tuple[int, int]) -> tuple[int, int]:
        """Where the window fits."""
        kernel, strides, dilations = (self.operation.get_nodeattr(a) for a in ("ConvKernelDim", "Stride", "Dilation"))
        after = window_size(size, kernel, [0] * 4, strides, dilations)
        self.operation.set_nodeattr("IFMDim", list(size))
        self.operation.set_nodeattr("OFMDim", list(after))
        return after

    def folding_limits(self) -> dict[str, tuple[str, int]]:
        """SIMD channels a beat."""
        return {"SIMD": ("IFMChannels", self.operation.get_nodeattr("IFMChannels"))}

    def folding_choices(self, fabric: Fabric) -> dict[str, tuple[int | str, ...]]:
        """A tap a cycle, or all at once."""
        return {"parallel_window": (0, 1)}

    def folding_conflict(self, folding: Folding) -> str | None:
        """A parallel window has all channels."""
        channels = self.operation.get_nodeattr("IFMChannels")
        if folding.get("parallel_window") and folding["SIMD"] != channels:
            return f"parallel_window=1 needs SIMD={channels} (IFMChannels), not {folding['SIMD']}"
        return None

    def folding_cost(self, folding: Folding) -> tuple[int, ...]:
        """SIMD; a parallel window last."""
        return (int(folding.get("parallel_window", 0)), int(folding.get("SIMD", 1)))

    def cpp_call(self) -> str:
        """sliding_window of sliding_window.hpp, or parallel_window of parallel_window.hpp."""
        op = self.operation
        height, width = op.get_nodeattr("IFMDim")
        moves = [value for name in ("ConvKernelDim", "Stride", "Dilation") for value in op.get_nodeattr(name)]
        if op.get_nodeattr("parallel_window"):
            return f"parallel_window<{', '.join(map(str, [height, width, *moves]))}>"
        numbers = [height, width, op.get_nodeattr("IFMChannels") // op.get_nodeattr("SIMD"), *moves]
        return f"sliding_window<{', '.join(map(str, numbers))}, {'true' if op.get_nodeattr('depthwise') else 'false'}>"

    def in_stream_order(self, tensor: np.ndarray) -> np.ndarray:
        """A depthwise window is (C/SIMD, KH*KW, SIMD), not (KH*KW, C)."""
        op = self.operation
        if not op.get_nodeattr("depthwise"):
            return tensor
        channels, simd = op.get_nodeattr("IFMChannels"), op.get_nodeattr("SIMD")
        taps = int(np.prod(op.get_nodeattr("ConvKernelDim")))
        split = tensor.reshape(*tensor.shape[:3], taps, channels // simd, simd)
        return split.swapaxes(3, 4).reshape(tensor.shape)  # (.., KH*KW, C/SIMD, SIMD) -> (.., C/SIMD, KH*KW, SIMD)
