"""Thresholds on a stream: Y = LowestCode + number of T[c] entries <= X[..., c]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from hw_build.base.errors import ConfigError
from hw_build.kernels.fabric import fabric_of
from hw_build.kernels.lines import REQUANTIZER_FILES, Lines, lines_of_many, require_lines
from hw_build.kernels.literals import signed_bits
from hw_build.kernels.multi_threshold import check_codes, multi_threshold, search_parameters
from hw_build.kernels.resources import fifo2_luts, line_dsps, requantizer_luts
from hw_build.kernels.rows import Rows, pointwise_rows
from hw_build.kernels.stream_kernel import StreamKernel, own_files, shared_files

if TYPE_CHECKING:
    from hw_build.kernels.base import RtlInstance

FILES = shared_files(*REQUANTIZER_FILES) + own_files(__file__, "stream_threshold.sv")


class Threshold_rtl(StreamKernel):
    """Inputs: x (1,H,W,C) and T (1 or C, n). Output: codes from LowestCode on."""

    def get_nodeattr_types(self):
        """``ThresholdRows`` is 1 where all channels share their thresholds, else NumChannels. LineBits: of multiplier
        and offset where lines stand in place of thresholds, else empty. LowestCode: of a value that passes none.
        """
        return super().get_nodeattr_types() | {
            "ThresholdRows": ("i", True, 1),
            "outputDataType": ("s", True, ""),
            "LineBits": ("ints", False, []),
            "LowestCode": ("i", False, 0),
        }

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Codes."""
        return DataType[self.get_nodeattr("outputDataType")]

    def rows(self) -> Rows:
        """Each its own."""
        return pointwise_rows(self.image_dim[0])

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``multi_threshold``."""
        return [multi_threshold(inputs[0], inputs[1], self.get_nodeattr("LowestCode"))]

    @property
    def _acc_bits(self) -> int:
        """Bits that hold every input, signed, and a threshold one above where there are any."""
        x_type = self.get_input_datatype(0)
        return signed_bits(int(x_type.min()), int(x_type.max()) + (not self.get_nodeattr("LineBits")))

    def line_attributes(self, model) -> dict[str, int | list[int]]:
        """LineBits."""
        lines = self._lines(model)
        return {} if lines is None else {"LineBits": lines.bits}

    def _lines(self, model) -> Lines | None:
        table, x_type = self.constant(model, 1), self.get_input_datatype(0)
        low, high = (np.full(len(table), int(end)) for end in (x_type.min(), x_type.max()))
        return lines_of_many(table, low, high, self.get_nodeattr("LowestCode"))

    def rtl_instance(self, model) -> RtlInstance:
        """stream_threshold."""
        self.verify_node()
        name, channels, x_type = self.onnx_node.name, self.get_nodeattr("NumChannels"), self.get_input_datatype(0)
        y_type, table = self.get_output_datatype(0), self.constant(model, 1)
        if table.ndim != 2 or table.shape[0] not in (1, channels):
            raise ConfigError(f"{name}: thresholds have shape {table.shape}, expected (1 or {channels}, n)")
        lowest = self.get_nodeattr("LowestCode")
        check_codes(name, "outputDataType", y_type, lowest, table.shape[1])
        parameters = {
            "CHANNELS": channels,
            "PE": self.pe,
            "ROWS": table.shape[0],
            **self.input_parameters(),
            "Y_BITS": y_type.bitwidth(),
        }
        bits = self.get_nodeattr("LineBits")
        if bits:
            parameters |= {"ACC_BITS": self._acc_bits} | require_lines(name, self._lines(model), bits).parameters()
        else:
            parameters |= search_parameters(
                table, int(x_type.min()), int(x_type.max()), lowest, int(y_type.min()), y_bits=y_type.bitwidth(),
                lanes=self.pe if len(table) > 1 else 1,
            )  # fmt: skip
        return self.instance("stream_threshold", FILES, parameters)

    def lut_estimation(self, fpgapart: str) -> int:
        """Tables and comparators of the search, or of the lines, and the output buffer."""
        rows, bits = self.get_nodeattr("ThresholdRows"), tuple(self.get_nodeattr("LineBits"))
        shape = (rows, self.pe, self._acc_bits, self.get_output_datatype(0).bitwidth())
        return requantizer_luts(fabric_of(fpgapart), *shape, bits) + fifo2_luts(self.get_outstream_width(0)) + 10

    def dsp_estimation(self, fpgapart: str) -> int:
        """Those of the lines."""
        return self.pe * line_dsps(fabric_of(fpgapart), self._acc_bits, tuple(self.get_nodeattr("LineBits")))
