"""Stream concatenation along the channels: of each pixel, input 0's channels and then input 1's, each times a whole
number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from hw_build.base.errors import ConfigError
from hw_build.kernels.multiples import check_times, multiple_adders
from hw_build.kernels.resources import fifo2_luts
from hw_build.kernels.rows import Rows, pointwise_rows
from hw_build.kernels.stream_kernel import StreamKernel, own_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_build.kernels.base import RtlInstance

FILES = own_files(__file__, "stream_concat.sv")


def concat_reference(a: np.ndarray, b: np.ndarray, times: Sequence[int] = (1, 1)) -> np.ndarray:
    """(N, H, W, C0) and (N, H, W, C1) -> (N, H, W, C0 + C1)."""
    return np.concatenate([times[0] * a, times[1] * b], axis=-1)


class StreamConcat_rtl(StreamKernel):
    """Inputs a (1,H,W,C0), b (1,H,W,C1); output (1,H,W,C0+C1) in a type that holds both, each as many times as
    Times says. PE divides C0 and C1.
    """

    def get_nodeattr_types(self):
        """NumChannels is [C0, C1]; the second input may have another data type, and the output a wider one."""
        return super().get_nodeattr_types() | {
            "NumChannels": ("ints", True, []),
            "inputDataType2": ("s", False, ""),
            "outputDataType": ("s", False, ""),
            "Times": ("ints", False, [1, 1]),
        }

    @property
    def times(self) -> list[int]:
        """How many times as large as the codes of each input the output is."""
        return list(self.get_nodeattr("Times"))

    def stream_inputs(self) -> range:
        """Both inputs are streams."""
        return range(2)

    def input_channels(self, ind: int = 0) -> int:
        """C0 or C1."""
        return self.get_nodeattr("NumChannels")[ind]

    def output_channels(self) -> int:
        """C0 + C1."""
        return sum(self.get_nodeattr("NumChannels"))

    def get_input_datatype(self, ind: int = 0) -> BaseDataType:
        """Data type of a or b; b's is a's unless inputDataType2 is set."""
        second = self.get_nodeattr("inputDataType2") if ind else ""
        return DataType[second or self.get_nodeattr("inputDataType")]

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """The narrowest type that holds both inputs, unless outputDataType is set."""
        if self.get_nodeattr("outputDataType"):
            return DataType[self.get_nodeattr("outputDataType")]
        a, b = self.get_input_datatype(0), self.get_input_datatype(1)
        signed = a.signed() or b.signed()
        bits = max(t.bitwidth() + (signed and not t.signed()) for t in (a, b))
        return DataType[f"{'INT' if signed else 'UINT'}{bits}"]

    def infer_node_datatype(self, model) -> None:
        """Take both input types from the graph, annotate the output."""
        self.set_nodeattr("inputDataType2", model.get_tensor_datatype(self.onnx_node.input[1]).name)
        super().infer_node_datatype(model)

    def rows(self) -> Rows:
        """Each its own."""
        return pointwise_rows(self.image_dim[0])

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``concat_reference``."""
        return [concat_reference(inputs[0], inputs[1], self.times)]

    def verify_node(self) -> None:
        """Exactly two inputs, and an output that holds them."""
        if len(self.get_nodeattr("NumChannels")) != 2:
            raise ConfigError(
                f"{self.onnx_node.name}: NumChannels={self.get_nodeattr('NumChannels')} must be [C0, C1]; chain "
                "concatenations for more inputs"
            )
        check_times(self.onnx_node.name, self.times)
        out = self.get_output_datatype(0)
        for ind, times in enumerate(self.times):
            given = self.get_input_datatype(ind)
            if times * given.min() < out.min() or times * given.max() > out.max():
                raise ConfigError(
                    f"{self.onnx_node.name}: {times} times {given.name} does not fit {out.name}; choose a wider type"
                )
        super().verify_node()

    def rtl_instance(self, model) -> RtlInstance:
        """stream_concat."""
        self.verify_node()
        a, b = self.get_input_datatype(0), self.get_input_datatype(1)
        parameters = {
            "CHANNELS_A": self.input_channels(0),
            "CHANNELS_B": self.input_channels(1),
            "PE": self.pe,
            "A_BITS": a.bitwidth(),
            "A_SIGNED": int(a.signed()),
            "B_BITS": b.bitwidth(),
            "B_SIGNED": int(b.signed()),
            "Y_BITS": self.get_output_datatype(0).bitwidth(),
            "A_TIMES": self.times[0],
            "B_TIMES": self.times[1],
        }
        return self.instance(
            "stream_concat",
            FILES,
            parameters,
        )

    def lut_estimation(self, fpgapart: str) -> int:
        """The selecting multiplexer, the adders of multiples, a counter and the output buffer."""
        width = self.get_outstream_width(0)
        return width * (1 + multiple_adders(self.times)) + 8 + fifo2_luts(width)
