"""Stream kernels that threshold their sums themselves: Y = number of T[c] entries <= sum, by a table or a shift."""

from __future__ import annotations

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from hw_build.base.errors import ConfigError
from hw_build.kernels.lines import NO_SHIFT, SUM_FILES, find_shift, require_shift
from hw_build.kernels.literals import packed_literal
from hw_build.kernels.resources import dense_rom_luts
from hw_build.kernels.stream_kernel import StreamKernel, shared_files

SUM_THRESHOLD_FILES = shared_files("lib/rom.sv", *SUM_FILES, "lib/sum_thresholds.sv")
MAX_SUM_BITS = 10  # a table of all sums; beyond, comparators are smaller


class SumThresholds(StreamKernel):
    """What such kernels share; the thresholds (1 or C, n) are the input after the streams."""

    def get_nodeattr_types(self):
        """Data type of the counts; SumShift: by how many bits a sum is shifted, -1 where a table serves."""
        return super().get_nodeattr_types() | {"outputDataType": ("s", True, ""), "SumShift": ("i", False, NO_SHIFT)}

    @property
    def shifted(self) -> bool:
        """Whether a sum is added to and shifted, not looked up."""
        return self.get_nodeattr("SumShift") != NO_SHIFT

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Unsigned codes: the number of thresholds passed."""
        return DataType[self.get_nodeattr("outputDataType")]

    def largest_sum(self) -> int:
        """Of the kernel's sum; the smallest is 0."""
        raise NotImplementedError

    @property
    def sum_bits(self) -> int:
        """Bits of a sum, and of a threshold that none passes."""
        return (self.largest_sum() + 1).bit_length()

    def verify_node(self) -> None:
        """Unsigned codes in and out, and sums few enough for a table."""
        StreamKernel.verify_node(self)  # not the sum's own: its output type need not hold the sum
        types = [*(self.get_input_datatype(i) for i in self.stream_inputs()), self.get_output_datatype(0)]
        signed = next((t.name for t in types if t.signed()), None)
        if signed or (self.sum_bits > MAX_SUM_BITS and not self.shifted):
            found = signed or f"a sum of {self.sum_bits} bits"
            raise ConfigError(
                f"{self.onnx_node.name}: {found} does not fit a table of unsigned sums of {MAX_SUM_BITS} bits; "
                "keep sum and thresholds in nodes of their own"
            )

    def line_attributes(self, model) -> dict[str, int | list[int]]:
        """SumShift."""
        shift = find_shift(self.constant(model, len(self.stream_inputs())), self.largest_sum())
        return {} if shift is None else {"SumShift": shift.shift}

    def threshold_parameters(self, model) -> dict[str, int | str]:
        """NUM_T, ROWS, Y_BITS and THRESHOLDS in the order of lib/sum_thresholds.sv, or SCALED, SHIFT and OFFSET."""
        channels, out = self.get_nodeattr("NumChannels"), self.get_output_datatype(0)
        steps = np.sort(self.constant(model, len(self.stream_inputs())), axis=-1)
        if steps.ndim != 2 or steps.shape[0] not in (1, channels) or steps.shape[1] > out.max():
            raise ConfigError(
                f"{self.onnx_node.name}: thresholds have shape {steps.shape}, expected (1 or {channels}, n), n at most "
                f"{int(out.max())} for outputDataType={out.name}"
            )
        rows, count = steps.shape
        if self.shifted:
            shift = self.get_nodeattr("SumShift")
            found = require_shift(self.onnx_node.name, find_shift(steps, self.largest_sum()), shift)
            offset = int(found.offset[0])
            return {"NUM_T": count, "Y_BITS": out.bitwidth(), "SCALED": 1, "SHIFT": shift, "OFFSET": offset}
        if rows > 1:
            steps = steps.reshape(-1, self.pe, count).transpose(1, 0, 2)  # (C, n) -> (PE, C/PE, n)
        clipped = np.clip(steps, 0, self.largest_sum() + 1)
        return {
            "NUM_T": count,
            "ROWS": rows,
            "Y_BITS": out.bitwidth(),
            "THRESHOLDS": packed_literal(clipped, self.sum_bits),
        }

    def table_luts(self) -> int:
        """Of tables that all channels share, or of what clips a shifted sum, and the output's control."""
        if self.shifted:
            out = self.get_output_datatype(0)
            clips = self.largest_sum() >> self.get_nodeattr("SumShift") > out.max()
            return self.pe * out.bitwidth() * clips + 6
        return self.pe * dense_rom_luts(1 << self.sum_bits, self.get_output_datatype(0).bitwidth()) + 6
