"""Sum over the taps of windows: Y[y, x, c] = sum over t of X[y, x, t*C + c], as an average before its division."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qonnx.core.datatype import BaseDataType, DataType

from hw_build.base.errors import ConfigError
from hw_build.kernels.resources import fifo2_luts, lutram_luts
from hw_build.kernels.rows import Rows, pointwise_rows
from hw_build.kernels.stream_kernel import StreamKernel, own_files

if TYPE_CHECKING:
    import numpy as np

    from hw_build.kernels.base import RtlInstance

FILES = own_files(__file__, "window_sum.sv")


def window_sum_reference(x: np.ndarray, taps: int) -> np.ndarray:
    """x (N, H, W, taps*C) -> (N, H, W, C)."""
    return x.reshape(*x.shape[:3], taps, -1).sum(axis=3)


class WindowSum_rtl(StreamKernel):
    """Input x (1,H,W,T*C), signed or unsigned, a window a pixel; output (1,H,W,C) in outputDataType, which holds every
    sum. Attribute Taps is T.

    NumChannels are those of the input; PE divides C.
    """

    def get_nodeattr_types(self):
        """Taps, at least 2; data type of the sums."""
        return super().get_nodeattr_types() | {"Taps": ("i", True, 0), "outputDataType": ("s", True, "")}

    @property
    def taps(self) -> int:
        """Pixels of a window."""
        return self.get_nodeattr("Taps")

    def output_channels(self) -> int:
        """C."""
        return self.get_nodeattr("NumChannels") // self.taps

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Data type of the sums."""
        return DataType[self.get_nodeattr("outputDataType")]

    def folding_limits(self) -> dict[str, tuple[str, int]]:
        """A beat holds channels of one tap."""
        return {"PE": ("NumChannels/Taps", self.output_channels())}

    def rows(self) -> Rows:
        """A row of windows each."""
        return pointwise_rows(self.image_dim[0])

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``window_sum_reference``."""
        return [window_sum_reference(inputs[0], self.taps)]

    def verify_node(self) -> None:
        """Taps must be 2 or more, and divide the channels; the output type must hold every sum."""
        channels, given, out = self.get_nodeattr("NumChannels"), self.get_input_datatype(0), self.get_output_datatype(0)
        if self.taps < 2 or channels < 1 or channels % self.taps:
            raise ConfigError(
                f"{self.onnx_node.name}: Taps={self.taps} must be 2 or more, and divide NumChannels={channels}"
            )
        low, high = int(given.min()) * self.taps, int(given.max()) * self.taps
        if low < out.min() or high > out.max():
            raise ConfigError(
                f"{self.onnx_node.name}: {self.taps} taps of {given.name} sum up to {low} to {high}, which "
                f"outputDataType={out.name} cannot hold; choose a wider output type"
            )
        super().verify_node()

    def rtl_instance(self, model) -> RtlInstance:
        """window_sum."""
        self.verify_node()
        data_type = self.get_input_datatype(0)
        parameters = {
            "CHANNELS": self.output_channels(),
            "PE": self.pe,
            "TAPS": self.taps,
            "X_BITS": data_type.bitwidth(),
            "X_SIGNED": int(data_type.signed()),
            "Y_BITS": self.get_output_datatype(0).bitwidth(),
        }
        return self.instance("window_sum", FILES, parameters)

    def lut_estimation(self, fpgapart: str) -> int:
        """An adder and a memory a channel, counters and output buffer."""
        width, groups = self.get_outstream_width(0), self.output_channels() // self.pe
        counters = (groups - 1).bit_length() + (self.taps - 1).bit_length()
        return width + lutram_luts(groups, width) + counters + 4 + fifo2_luts(width)
