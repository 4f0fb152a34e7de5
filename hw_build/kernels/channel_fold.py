"""One value for each channel of several that come one after the other: what such kernels share, of RTL and cost.

`channel_fold.sv` holds the value so far; a kernel says what becomes of it and of what comes.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from qonnx.core.datatype import BaseDataType, DataType

from hw_build.base.errors import ConfigError
from hw_build.kernels.fabric import fabric_of
from hw_build.kernels.resources import fifo2_luts
from hw_build.kernels.stream_kernel import StreamKernel, shared_files

if TYPE_CHECKING:
    from hw_build.kernels.base import RtlInstance
    from hw_build.kernels.fabric import Fabric

FILES = shared_files("lib/channel_fold.sv")


def fold_luts(fabric: Fabric, width: int, groups: int, times: int) -> int:
    """LUTs of channel_fold.sv and of the buffer behind it, for ``groups`` values of ``width`` bits."""
    counters = (groups - 1).bit_length() + (times - 1).bit_length()
    return fabric.lutram_luts(groups, width) + counters + 4 + fifo2_luts(width)


class SumKernel(StreamKernel):
    """Sums of ``times`` values of each channel, signed or unsigned, in outputDataType, which holds every sum."""

    summed: str  # what they are, for messages

    @property
    @abstractmethod
    def times(self) -> int:
        """How many values are added up."""

    @property
    def codes_a_time(self) -> int:
        """How many values come before the next of the same sum: one of each channel."""
        return self.output_channels()

    def get_nodeattr_types(self):
        """Data type of the sums."""
        return super().get_nodeattr_types() | {"outputDataType": ("s", True, "")}

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Data type of the sums."""
        return DataType[self.get_nodeattr("outputDataType")]

    def verify_node(self) -> None:
        """The output type must hold every sum."""
        super().verify_node()
        given, out = self.get_input_datatype(0), self.get_output_datatype(0)
        low, high = int(given.min()) * self.times, int(given.max()) * self.times
        if low < out.min() or high > out.max():
            raise ConfigError(
                f"{self.onnx_node.name}: {self.times} {self.summed} of {given.name} sum up to {low} to {high}, which "
                f"outputDataType={out.name} cannot hold; choose a wider output type"
            )

    def rtl_instance(self, model) -> RtlInstance:
        """channel_sum."""
        self.verify_node()
        parameters = {
            "CHANNELS": self.codes_a_time,
            "PE": self.pe,
            "TIMES": self.times,
            **self.input_parameters(),
            "Y_BITS": self.get_output_datatype(0).bitwidth(),
        }
        return self.instance("channel_sum", FILES + shared_files("lib/channel_sum.sv"), parameters)

    def lut_estimation(self, fpgapart: str) -> int:
        """An adder and a memory a channel, counters and output buffer."""
        width = self.get_outstream_width(0)
        return width + fold_luts(fabric_of(fpgapart), width, self.codes_a_time // self.pe, self.times)
