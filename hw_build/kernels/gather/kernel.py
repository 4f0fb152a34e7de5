"""Channels of each pixel in another order, left out or repeated: Y[y, x, n] = X[y, x, Index[n]]."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hw_build.base.errors import ConfigError
from hw_build.kernels.fabric import fabric_of
from hw_build.kernels.literals import packed_literal
from hw_build.kernels.resources import fifo2_luts, mux_luts
from hw_build.kernels.rows import Rows, pointwise_rows
from hw_build.kernels.stream_kernel import StreamKernel, own_files

if TYPE_CHECKING:
    from hw_build.kernels.base import RtlInstance

FILES = own_files(__file__, "channel_gather.sv")


def gather_reference(x: np.ndarray, index: list[int]) -> np.ndarray:
    """x (N, H, W, C) -> (N, H, W, len(index))."""
    return x[..., index]


class ChannelGather_rtl(StreamKernel):
    """Input x (1,H,W,C), signed or unsigned; output (1,H,W,N) of the same type; attribute Index: N numbers below C.

    PE divides C and N.
    """

    def get_nodeattr_types(self):
        """Index: which channel of the input each one of the output is."""
        return super().get_nodeattr_types() | {"Index": ("ints", True, [])}

    @property
    def index(self) -> list[int]:
        """Channel of the input for each of the output."""
        return list(self.get_nodeattr("Index"))

    def output_channels(self) -> int:
        """N."""
        return len(self.index)

    def folding_limits(self) -> dict[str, tuple[str, int]]:
        """Of both sides."""
        channels = [self.get_nodeattr("NumChannels"), self.output_channels()]
        return {"PE": (f"the greatest common divisor of {channels[0]} and {channels[1]} channels", math.gcd(*channels))}

    def rows(self) -> Rows:
        """Each its own."""
        return pointwise_rows(self.image_dim[0])

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``gather_reference``."""
        return [gather_reference(inputs[0], self.index)]

    def verify_node(self) -> None:
        """The index names channels that there are."""
        channels = self.get_nodeattr("NumChannels")
        if not self.index or min(self.index) < 0 or max(self.index) >= channels:
            raise ConfigError(f"{self.onnx_node.name}: Index={self.index} must name channels 0 to {channels - 1}")
        super().verify_node()

    def rtl_instance(self, model) -> RtlInstance:
        """channel_gather."""
        self.verify_node()
        channels = self.get_nodeattr("NumChannels")
        parameters = {
            "IN_CHANNELS": channels,
            "OUT_CHANNELS": self.output_channels(),
            "PE": self.pe,
            "X_BITS": self.get_input_datatype(0).bitwidth(),
            "INDEX": packed_literal(np.array(self.index), max(1, (channels - 1).bit_length())),
        }
        return self.instance("channel_gather", FILES, parameters)

    def lut_estimation(self, fpgapart: str) -> int:
        """Two pixels a lane, of the lanes that it reads; which beat and lane that is; counters and output buffer."""
        bits, pe = self.get_input_datatype(0).bitwidth(), self.pe
        come, leave = self.get_nodeattr("NumChannels") // pe, self.output_channels() // pe
        luts = 0
        for lane in range(pe):
            sources = [divmod(each, pe) for each in self.index[lane::pe]]
            lanes = len({source for _, source in sources})
            luts += fabric_of(fpgapart).lutram_luts(2 * come, lanes * bits) + mux_luts(lanes, bits)
            luts += _table_luts([group for group, _ in sources]) + _table_luts([source for _, source in sources])
        counters = (come - 1).bit_length() + (leave - 1).bit_length()
        slower = 6 if leave > come else 0  # fitted, as the rest is
        return luts + counters + 6 + slower + fifo2_luts(self.get_outstream_width(0))


def _table_luts(values: list[int]) -> int:
    """LUTs of a table of ``values``: a function of up to 6 address bits each bit that is no constant or address bit."""
    luts = 0
    for bit in range(max(values).bit_length()):
        ones = [value >> bit & 1 for value in values]
        address = any(ones == [place >> other & 1 for place in range(len(values))] for other in range(16))
        luts += 0 if len(set(ones)) == 1 or address else math.ceil(len(values) / 64)
    return luts
