"""Sum of all pixels of a frame: Y[c] = sum over y, x of X[y, x, c], as a global average before its division."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qonnx.core.datatype import BaseDataType, DataType

from hw_build.base.errors import ConfigError
from hw_build.kernels.resources import fifo2_luts, lutram_luts
from hw_build.kernels.rows import Rows, global_rows
from hw_build.kernels.stream_kernel import StreamKernel, own_files

if TYPE_CHECKING:
    import numpy as np

    from hw_build.kernels.base import RtlInstance

FILES = own_files(__file__, "global_sum.sv")


def global_sum_reference(x: np.ndarray) -> np.ndarray:
    """x (N, H, W, C) -> (N, 1, 1, C)."""
    return x.sum(axis=(1, 2), keepdims=True)


class GlobalSum_rtl(StreamKernel):
    """Input x (1,H,W,C), signed or unsigned; output (1,1,1,C) in outputDataType, which holds every sum."""

    def get_nodeattr_types(self):
        """Data type of the sums."""
        return super().get_nodeattr_types() | {"outputDataType": ("s", True, "")}

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Data type of the sums."""
        return DataType[self.get_nodeattr("outputDataType")]

    def output_size(self) -> tuple[int, int]:
        """One pixel."""
        return 1, 1

    def resize(self, size: tuple[int, int]) -> tuple[int, int]:
        """Its own size: what follows divides by the number of pixels."""
        if tuple(size) != self.image_dim:
            raise ConfigError(
                f"{self.onnx_node.name} averages {self._pixels} pixels, not {size[0]}x{size[1]}, "
                "and what follows it was lowered for that number: export the network at the size that is needed"
            )
        return self.output_size()

    def rows(self) -> Rows:
        """All for one."""
        return global_rows(self.image_dim[0])

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``global_sum_reference``."""
        return [global_sum_reference(inputs[0])]

    @property
    def _pixels(self) -> int:
        return self.image_dim[0] * self.image_dim[1]

    def verify_node(self) -> None:
        """The output type must hold every sum."""
        super().verify_node()
        given, out = self.get_input_datatype(0), self.get_output_datatype(0)
        low, high = int(given.min()) * self._pixels, int(given.max()) * self._pixels
        if low < out.min() or high > out.max():
            raise ConfigError(
                f"{self.onnx_node.name}: {self._pixels} pixels of {given.name} sum up to {low} to {high}, which "
                f"outputDataType={out.name} cannot hold; choose a wider output type"
            )

    def rtl_instance(self, model) -> RtlInstance:
        """global_sum."""
        self.verify_node()
        data_type = self.get_input_datatype(0)
        parameters = {
            "CHANNELS": self.get_nodeattr("NumChannels"),
            "PE": self.pe,
            "PIXELS": self._pixels,
            "X_BITS": data_type.bitwidth(),
            "X_SIGNED": int(data_type.signed()),
            "Y_BITS": self.get_output_datatype(0).bitwidth(),
        }
        return self.instance("global_sum", FILES, parameters)

    def lut_estimation(self, fpgapart: str) -> int:
        """An adder and a memory a channel, counters and output buffer."""
        width, groups = self.get_outstream_width(0), self.get_nodeattr("NumChannels") // self.pe
        counters = (groups - 1).bit_length() + (self._pixels - 1).bit_length()
        return width + lutram_luts(groups, width) + counters + 4 + fifo2_luts(width)
