"""Bilinear x2 upsampling (align_corners=False) in exact integers: the output is 16 times the real value.

Rows and columns each weigh their two neighbours 3:1, the edge repeated:
    V[2y]   = 1*X[y-1] + 3*X[y]        V[2y+1] = 3*X[y] + 1*X[y+1]       (and the same along x)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from hw_build.kernels.resources import fifo2_luts, lutram_luts, ram_bram18, ram_luts
from hw_build.kernels.row_memory import RowMemoryKernel
from hw_build.kernels.rows import Rows, upsampled_rows
from hw_build.kernels.stream_kernel import own_files

if TYPE_CHECKING:
    from hw_build.kernels.base import RtlInstance

FILES = own_files(__file__, "bilinear2x.sv")

ROW_SLOTS = 4  # input rows that the RTL stores


def _double(x: np.ndarray, axis: int) -> np.ndarray:
    """Twice as many entries along ``axis``, each 4 times its interpolated value."""
    before = np.concatenate([x.take([0], axis), x.take(range(x.shape[axis] - 1), axis)], axis)
    after = np.concatenate([x.take(range(1, x.shape[axis]), axis), x.take([-1], axis)], axis)
    out = np.stack([before + 3 * x, 3 * x + after], axis + 1)  # (.., n, ..) -> (.., n, 2, ..)
    return out.reshape(*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :])


def bilinear_reference(x: np.ndarray) -> np.ndarray:
    """x (N, H, W, C) -> 16 * bilinear, (N, 2H, 2W, C)."""
    return _double(_double(x, 1), 2)


class BilinearUpsample2x_rtl(RowMemoryKernel):
    """Input x (1,H,W,C), signed or unsigned; output (1,2H,2W,C), four bits wider."""

    def output_size(self) -> tuple[int, int]:
        """(2H, 2W)."""
        height, width = self.image_dim
        return 2 * height, 2 * width

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Four bits more than the input."""
        data_type = self.get_input_datatype(0)
        return DataType[f"{'INT' if data_type.signed() else 'UINT'}{data_type.bitwidth() + 4}"]

    def rows(self) -> Rows:
        """Two of each, out of it and its nearer neighbour."""
        return upsampled_rows(self.image_dim[0], factor=2, mode="linear")

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``bilinear_reference``."""
        return [bilinear_reference(inputs[0])]

    def rtl_instance(self, model) -> RtlInstance:
        """bilinear2x."""
        self.verify_node()
        height, width = self.image_dim
        data_type = self.get_input_datatype(0)
        parameters = {
            "HEIGHT": height,
            "WIDTH": width,
            "CHANNELS": self.get_nodeattr("NumChannels"),
            "PE": self.pe,
            "X_BITS": data_type.bitwidth(),
            "X_SIGNED": int(data_type.signed()),
        } | self.row_memory_parameters()
        return self.instance("bilinear2x", FILES, parameters)

    def _bank_memory(self) -> tuple[int, int]:
        """(depth, width in bits) of each of the two row banks, odd and even rows."""
        groups = self.get_nodeattr("NumChannels") // self.pe
        row = self.image_dim[1] * groups
        return ROW_SLOTS // 2 * 2 ** (row - 1).bit_length(), self.get_instream_width(0)

    def bram_estimation(self, fpgapart: str) -> int:
        """18 Kbit blocks of the two row banks."""
        return 2 * ram_bram18(*self._bank_memory(), self.ram_style)

    def lut_estimation(self, fpgapart: str) -> int:
        """Vertical and horizontal 3:1 sums, the column memory, counters and output buffer."""
        bits = self.get_input_datatype(0).bitwidth()
        groups = self.get_nodeattr("NumChannels") // self.pe
        sums = self.pe * (3 * (bits + 2) + 3 * (bits + 4))
        banks = 2 * ram_luts(*self._bank_memory(), self.ram_style)
        memories = lutram_luts(groups, 2 * self.pe * (bits + 2)) + banks
        return sums + memories + 60 + fifo2_luts(self.get_outstream_width(0))
