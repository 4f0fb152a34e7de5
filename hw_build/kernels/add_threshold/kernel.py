"""Stream add that thresholds its sums itself: Y = LowestCode + number of T[c] entries <= Times[0]*a + Times[1]*b."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.kernels.add import StreamAdd_rtl, add_reference
from hw_build.kernels.add import kernel as add
from hw_build.kernels.multi_threshold import multi_threshold
from hw_build.kernels.multiples import check_times, multiple_adders
from hw_build.kernels.resources import fifo2_luts
from hw_build.kernels.stream_kernel import own_files
from hw_build.kernels.sum_thresholds import SUM_THRESHOLD_FILES, SumThresholds

if TYPE_CHECKING:
    from hw_build.kernels.base import RtlInstance

FILES = SUM_THRESHOLD_FILES + own_files(add.__file__, "stream_add.sv") + own_files(__file__, "stream_add_threshold.sv")


class StreamAddThreshold_rtl(SumThresholds, StreamAdd_rtl):
    """Inputs a, b (1,H,W,C) and T; output LowestCode and the number of thresholds that the sum passes."""

    def sum_range(self) -> tuple[int, int]:
        """Of the least and of the greatest codes."""
        types = [self.get_input_datatype(ind) for ind in self.stream_inputs()]
        ends = ([datatype.min() for datatype in types], [datatype.max() for datatype in types])
        low, high = (int(np.dot(self.times, end)) for end in ends)
        return low, high

    def verify_node(self) -> None:
        """Times."""
        check_times(self.onnx_node.name, self.times)
        super().verify_node()

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``multi_threshold`` of ``add_reference``."""
        return [multi_threshold(add_reference(inputs[0], inputs[1], self.times), inputs[2], self.lowest_code)]

    def rtl_instance(self, model) -> RtlInstance:
        """stream_add_threshold."""
        self.verify_node()
        a, b = self.get_input_datatype(0), self.get_input_datatype(1)
        parameters = {"PE": self.pe, "A_BITS": a.bitwidth(), "B_BITS": b.bitwidth(), "SUM_BITS": self.sum_bits}
        parameters |= {"A_SIGNED": int(a.signed()), "B_SIGNED": int(b.signed())}
        parameters |= {"A_TIMES": self.times[0], "B_TIMES": self.times[1]}
        return self.instance(
            "stream_add_threshold",
            FILES,
            parameters | self.threshold_parameters(model),
        )

    def lut_estimation(self, fpgapart: str) -> int:
        """An adder and a table a channel, and the output buffer."""
        adders = 1 + multiple_adders(self.times)
        return adders * self.pe * self.sum_bits + self.table_luts() + fifo2_luts(self.get_outstream_width(0))
