"""Channel bias: adds one integer per channel, as after the head's 1x1 convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qonnx.core.datatype import BaseDataType, DataType

from hw_build.base.errors import ConfigError
from hw_build.kernels.literals import packed_literal, signed_bits
from hw_build.kernels.resources import fifo2_luts, rom_luts
from hw_build.kernels.rows import Rows, pointwise_rows
from hw_build.kernels.stream_kernel import StreamKernel, own_files

if TYPE_CHECKING:
    import numpy as np

    from hw_build.kernels.base import RtlInstance

FILES = own_files(__file__, "channel_bias.sv")


def bias_reference(x: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """x (N, H, W, C) + bias (C,)."""
    return x + bias


class ChannelBias_rtl(StreamKernel):
    """Inputs: x (1,H,W,C) and the initializer bias (C,). Output x + bias."""

    def get_nodeattr_types(self):
        """Data type of the sum."""
        attributes = super().get_nodeattr_types()
        attributes.update({"outputDataType": ("s", True, "")})
        return attributes

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Data type of the sum."""
        return DataType[self.get_nodeattr("outputDataType")]

    def rows(self) -> Rows:
        """Each its own."""
        return pointwise_rows(self.image_dim[0])

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``bias_reference``."""
        return [bias_reference(inputs[0], inputs[1])]

    def rtl_instance(self, model) -> RtlInstance:
        """channel_bias; refuses a bias with which the output type overflows."""
        self.verify_node()
        name, channels, pe = (self.onnx_node.name, self.get_nodeattr("NumChannels"), self.pe)
        bias = self.constant(model, 1)
        if bias.shape != (channels,):
            raise ConfigError(f"{name}: bias has shape {bias.shape}, expected ({channels},)")
        x_type, y_type = self.get_input_datatype(0), self.get_output_datatype(0)
        low, high = int(x_type.min() + bias.min()), int(x_type.max() + bias.max())
        if low < y_type.min() or high > y_type.max():
            raise ConfigError(
                f"{name}: input plus bias spans {low} to {high}, which outputDataType={y_type.name} cannot hold; "
                "choose a wider output type"
            )
        bias_bits = signed_bits(int(bias.min()), int(bias.max()))
        parameters = {
            "CHANNELS": channels,
            "PE": pe,
            **self.input_parameters(),
            "BIAS_BITS": bias_bits,
            "Y_BITS": y_type.bitwidth(),
            "BIAS": packed_literal(bias, bias_bits),
        }
        return self.instance("channel_bias", FILES, parameters)

    def lut_estimation(self, fpgapart: str) -> int:
        """Adders, bias ROM, counter and output buffer."""
        width, groups = self.get_outstream_width(0), self.get_nodeattr("NumChannels") // self.pe
        adders = width // 2 + 4 if groups == 1 else width + rom_luts(groups, width) + 8  # of a constant, or of a ROM
        return adders + fifo2_luts(width)
