"""Bilinear upsampling by f = 2, 4, 8 .. (align_corners=False) in exact integers: the output is (2f)^2 times the real
value.

Output rows lie between two neighbours, at odd multiples of 1/(2f); the edge is repeated, columns are as rows:
    V[f*y + f/2 + p] = (2f - w)*X[y] + w*X[y+1],  w = 2p + 1,  p = 0 .. f-1
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from hw_build.base.errors import ConfigError
from hw_build.kernels.fabric import fabric_of
from hw_build.kernels.resources import fifo2_luts
from hw_build.kernels.row_memory import ROW_MEMORY
from hw_build.kernels.rows import Rows, upsampled_rows
from hw_build.kernels.stream_kernel import own_files, shared_files
from hw_build.kernels.upsampling import UpsamplingKernel

if TYPE_CHECKING:
    from hw_build.kernels.base import RtlInstance

FILES = shared_files(ROW_MEMORY) + own_files(__file__, "bilinear.sv")

ROW_SLOTS = 4  # input rows that the RTL stores


def _enlarge(x: np.ndarray, axis: int, factor: int) -> np.ndarray:
    """``factor`` times as many entries along ``axis``, each 2*factor times its interpolated value."""
    first, second = (
        x.take(np.clip(np.arange(-1, x.shape[axis]) + more, 0, x.shape[axis] - 1), axis) for more in (0, 1)
    )
    steps = [(2 * factor - weight) * first + weight * second for weight in range(1, 2 * factor, 2)]
    out = np.stack(steps, axis + 1)  # (.., n + 1, ..) -> (.., n + 1, factor, ..)
    out = out.reshape(*x.shape[:axis], factor * (x.shape[axis] + 1), *x.shape[axis + 1 :])
    return out.take(range(factor // 2, out.shape[axis] - factor // 2), axis)


def bilinear_reference(x: np.ndarray, factor: int) -> np.ndarray:
    """x (N, H, W, C) -> (2*factor)^2 * bilinear, (N, factor*H, factor*W, C)."""
    return _enlarge(_enlarge(x, 1, factor), 2, factor)


class BilinearUpsample_rtl(UpsamplingKernel):
    """Input x (1,H,W,C), signed or unsigned; output (1,fH,fW,C), 2*log2(2f) bits wider; attribute Factor is f."""

    row_banks = 2

    def get_nodeattr_types(self):
        """Factor, a power of two."""
        return super().get_nodeattr_types() | {"Factor": ("i", False, 2)}

    @property
    def weight_bits(self) -> int:
        """Bits of the weights of two rows, or two columns, which come to 2f together."""
        return self.factor.bit_length()

    def verify_node(self) -> None:
        """Factor must be a power of two, 2 or more."""
        super().verify_node()
        if self.factor < 2 or self.factor & (self.factor - 1):
            raise ConfigError(f"{self.onnx_node.name}: Factor={self.factor} must be 2, 4, 8 or another power of two")

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """So many bits more than the input that (2f)^2 times it fits."""
        data_type = self.get_input_datatype(0)
        return DataType[f"{'INT' if data_type.signed() else 'UINT'}{data_type.bitwidth() + 2 * self.weight_bits}"]

    def rows(self) -> Rows:
        """f of each, out of it and its nearer neighbour."""
        return upsampled_rows(self.image_dim[0], factor=self.factor, mode="linear")

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``bilinear_reference``."""
        return [bilinear_reference(inputs[0], self.factor)]

    def rtl_instance(self, model) -> RtlInstance:
        """bilinear."""
        self.verify_node()
        height, width = self.image_dim
        parameters = {
            "HEIGHT": height,
            "WIDTH": width,
            "CHANNELS": self.get_nodeattr("NumChannels"),
            "PE": self.pe,
            **self.input_parameters(),
            "FACTOR": self.factor,
        } | self.row_memory_parameters()
        return self.instance("bilinear", FILES, parameters)

    def row_memory(self) -> tuple[int, int]:
        """(depth, width in bits) of each of the two row banks, odd and even rows."""
        groups = self.get_nodeattr("NumChannels") // self.pe
        row = self.image_dim[1] * groups
        return ROW_SLOTS // 2 * 2 ** (row - 1).bit_length(), self.get_instream_width(0)

    def bram_estimation(self, fpgapart: str) -> int:
        """18 Kbit blocks of the two row banks."""
        return self.row_banks * fabric_of(fpgapart).ram_bram18(*self.row_memory(), self.ram_style)

    def lut_estimation(self, fpgapart: str) -> int:
        """Sums along rows and columns, the column memory, counters and output buffer."""
        bits, more = self.get_input_datatype(0).bitwidth(), self.weight_bits
        groups = self.get_nodeattr("NumChannels") // self.pe
        finer = more - 2  # summands and bits of a position beyond those of upsampling by 2
        sums = math.ceil(self.pe * (3 + 1.6 * finer) * (2 * bits + 3 * more))
        fabric = fabric_of(fpgapart)
        banks = self.row_banks * fabric.ram_luts(*self.row_memory(), self.ram_style)
        memories = fabric.lutram_luts(groups, 2 * self.pe * (bits + more)) + banks
        return sums + memories + 60 + 12 * finer + fifo2_luts(self.get_outstream_width(0))
