"""Bilinear x2 upsampling that thresholds its sums itself: Y = number of T[c] entries <= 16 times the real value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.kernels.bilinear import BilinearUpsample_rtl, bilinear_reference
from hw_build.kernels.bilinear import kernel as bilinear
from hw_build.kernels.multi_threshold import multi_threshold
from hw_build.kernels.stream_kernel import own_files
from hw_build.kernels.sum_thresholds import SUM_THRESHOLD_FILES, SumThresholds

if TYPE_CHECKING:
    import numpy as np
    from qonnx.core.datatype import BaseDataType

    from hw_build.kernels.base import RtlInstance

FILES = SUM_THRESHOLD_FILES + bilinear.FILES + own_files(__file__, "bilinear2x_threshold.sv")


class BilinearThreshold2x_rtl(SumThresholds, BilinearUpsample_rtl):
    """Input x (1,H,W,C) and T; output (1,2H,2W,C): LowestCode and the thresholds that 16 times the value passes."""

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Codes."""
        return SumThresholds.get_output_datatype(self, ind)

    def sum_range(self) -> tuple[int, int]:
        """16 times the least and the greatest code."""
        x_type = self.get_input_datatype(0)
        return 16 * int(x_type.min()), 16 * int(x_type.max())

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``multi_threshold`` of ``bilinear_reference``."""
        return [multi_threshold(bilinear_reference(inputs[0], 2), inputs[1], self.lowest_code)]

    def rtl_instance(self, model) -> RtlInstance:
        """bilinear2x_threshold."""
        self.verify_node()
        height, width = self.image_dim
        parameters = {
            "HEIGHT": height, "WIDTH": width, "CHANNELS": self.get_nodeattr("NumChannels"), "PE": self.pe,
            **self.input_parameters(),
        } | self.row_memory_parameters()  # fmt: skip
        return self.instance(
            "bilinear2x_threshold",
            FILES,
            parameters | self.threshold_parameters(model),
        )

    def lut_estimation(self, fpgapart: str) -> int:
        """The upsampling with its output buffer, which stands behind the tables, and the tables."""
        return BilinearUpsample_rtl.lut_estimation(self, fpgapart) + self.table_luts()
