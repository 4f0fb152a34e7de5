"""2x2 average pooling with stride 2, times four, in exact integers: Y[y, x, c] = sum of X[2y..2y+1, 2x..2x+1, c]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qonnx.core.datatype import BaseDataType, DataType

from hw_build.kernels.fabric import fabric_of
from hw_build.kernels.halving import HalvingKernel
from hw_build.kernels.resources import fifo2_luts
from hw_build.kernels.row_memory import ROW_MEMORY
from hw_build.kernels.stream_kernel import own_files, shared_files

if TYPE_CHECKING:
    import numpy as np

    from hw_build.kernels.base import RtlInstance

FILES = shared_files(ROW_MEMORY) + own_files(__file__, "average_pool2x2.sv")


def average_pool_reference(x: np.ndarray) -> np.ndarray:
    """x (N, H, W, C) with even H and W -> 4 * average, (N, H/2, W/2, C)."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).sum(axis=(2, 4))


class AveragePool2x2_rtl(HalvingKernel):
    """Input x (1,H,W,C), H and W even, signed or unsigned; output (1,H/2,W/2,C), two bits wider."""

    told = ("2x2 average pooling", "poolings")

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Two bits more than the input."""
        data_type = self.get_input_datatype(0)
        return DataType[f"{'INT' if data_type.signed() else 'UINT'}{data_type.bitwidth() + 2}"]

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``average_pool_reference``."""
        return [average_pool_reference(inputs[0])]

    def rtl_instance(self, model) -> RtlInstance:
        """average_pool2x2."""
        self.verify_node()
        return self.instance("average_pool2x2", FILES, self.rtl_parameters())

    @property
    def _pair_bits(self) -> int:
        """Of the sums of two pixels of a beat."""
        return self.pe * (self.get_input_datatype(0).bitwidth() + 1)

    def row_memory(self) -> tuple[int, int]:
        """(depth, width in bits) of the memory of one row of horizontal sums."""
        groups = self.get_nodeattr("NumChannels") // self.pe
        return self.image_dim[1] // 2 * groups, self._pair_bits

    @property
    def _row_style(self) -> str:
        """Where the row lies: words of 37 to 42 bits would take two blocks, which Yosys saves up to 128 words."""
        depth, width = self.row_memory()
        few = depth <= 128 and 36 < width <= 42
        return "distributed" if few and self.ram_style == "auto" else self.ram_style

    def bram_estimation(self, fpgapart: str) -> int:
        """18 Kbit blocks of the row memory."""
        return fabric_of(fpgapart).ram_bram18(*self.row_memory(), self._row_style)

    def lut_estimation(self, fpgapart: str) -> int:
        """Two sums a channel, the pair memory, counters and output buffer."""
        groups, width = self.get_nodeattr("NumChannels") // self.pe, self.get_outstream_width(0)
        sums = self.pe * (2 * self.get_input_datatype(0).bitwidth() + 1)
        fabric = fabric_of(fpgapart)
        row = fabric.ram_luts(*self.row_memory(), self._row_style)
        memories = fabric.lutram_luts(groups, self.get_instream_width(0)) + row
        return sums + memories + (10 if groups == 1 else 18) + fifo2_luts(width)
