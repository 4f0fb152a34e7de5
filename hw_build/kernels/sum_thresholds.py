"""Stream kernels that threshold their sums themselves: Y = LowestCode + number of T[c] entries <= sum, by a table or
a shift. The RTL counts sums from the smallest on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from hw_build.base.errors import ConfigError
from hw_build.kernels.lines import NO_SHIFT, SUM_FILES, find_shift, require_shift
from hw_build.kernels.literals import packed_literal
from hw_build.kernels.multi_threshold import check_codes
from hw_build.kernels.resources import dense_rom_luts
from hw_build.kernels.stream_kernel import StreamKernel, shared_files

if TYPE_CHECKING:
    from hw_build.kernels.lines import Lines

SUM_THRESHOLD_FILES = shared_files("lib/rom.sv", *SUM_FILES, "lib/sum_thresholds.sv")
MAX_SUM_BITS = 10  # a table of all sums; beyond, comparators are smaller


class SumThresholds(StreamKernel):
    """What such kernels share; the thresholds (1 or C, n) are the input after the streams."""

    def get_nodeattr_types(self):
        """Data type of the codes; LowestCode: of a sum that passes no threshold; SumShift: by how many bits a sum is
        shifted, -1 where a table serves.
        """
        return super().get_nodeattr_types() | {
            "outputDataType": ("s", True, ""),
            "LowestCode": ("i", False, 0),
            "SumShift": ("i", False, NO_SHIFT),
        }

    @property
    def shifted(self) -> bool:
        """Whether a sum is added to and shifted, not looked up."""
        return self.get_nodeattr("SumShift") != NO_SHIFT

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Codes."""
        return DataType[self.get_nodeattr("outputDataType")]

    @property
    def lowest_code(self) -> int:
        """Of a sum that passes no threshold."""
        return self.get_nodeattr("LowestCode")

    def sum_range(self) -> tuple[int, int]:
        """Smallest and largest sum."""
        raise NotImplementedError

    @property
    def sum_bits(self) -> int:
        """Bits of a sum, counted from the smallest on, and of a threshold that none passes."""
        low, high = self.sum_range()
        return (high - low + 1).bit_length()

    def verify_node(self) -> None:
        """Sums few enough for a table."""
        StreamKernel.verify_node(self)  # not the sum's own: its output type need not hold the sum
        if self.sum_bits > MAX_SUM_BITS and not self.shifted:
            raise ConfigError(
                f"{self.onnx_node.name}: a sum of {self.sum_bits} bits does not fit a table of sums of {MAX_SUM_BITS} "
                "bits; keep sum and thresholds in nodes of their own"
            )

    def _shift(self, steps: np.ndarray) -> Lines | None:
        return find_shift(steps, *self.sum_range(), self.lowest_code)

    def line_attributes(self, model) -> dict[str, int | list[int]]:
        """SumShift."""
        shift = self._shift(self.constant(model, len(self.stream_inputs())))
        return {} if shift is None else {"SumShift": shift.shift}

    def threshold_parameters(self, model) -> dict[str, int | str]:
        """NUM_T, ROWS, Y_BITS, LOWEST and THRESHOLDS in the order of lib/sum_thresholds.sv, or SCALED, SHIFT and
        OFFSET.
        """
        channels, out = self.get_nodeattr("NumChannels"), self.get_output_datatype(0)
        steps = np.sort(self.constant(model, len(self.stream_inputs())), axis=-1)
        if steps.ndim != 2 or steps.shape[0] not in (1, channels):
            raise ConfigError(
                f"{self.onnx_node.name}: thresholds have shape {steps.shape}, expected (1 or {channels}, n)"
            )
        rows, count = steps.shape
        check_codes(self.onnx_node.name, "outputDataType", out, self.lowest_code, count)
        codes = {"NUM_T": count, "Y_BITS": out.bitwidth(), "LOWEST": self.lowest_code}
        if self.shifted:
            shift = self.get_nodeattr("SumShift")
            found = require_shift(self.onnx_node.name, self._shift(steps), shift)
            return codes | {"SCALED": 1, "SHIFT": shift, "OFFSET": int(found.offset[0])}
        if rows > 1:
            steps = steps.reshape(-1, self.pe, count).transpose(1, 0, 2)  # (C, n) -> (PE, C/PE, n)
        low, high = self.sum_range()
        clipped = np.clip(steps, low, high + 1) - low
        return codes | {
            "ROWS": rows,
            "THRESHOLDS": packed_literal(clipped, self.sum_bits),
        }

    def table_luts(self) -> int:
        """Of tables that all channels share, or of what clips a shifted sum, and the output's control."""
        if self.shifted:
            out = self.get_output_datatype(0)
            low, high = self.sum_range()
            clips = (high - low) >> self.get_nodeattr("SumShift") > out.max() - out.min()
            return self.pe * out.bitwidth() * clips + 6
        return self.pe * dense_rom_luts(1 << self.sum_bits, self.get_output_datatype(0).bitwidth()) + 6
