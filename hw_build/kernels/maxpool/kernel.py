"""2x2 max-pool with stride 2: Y[y, x, c] = max of X[2y..2y+1, 2x..2x+1, c]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.kernels.fabric import fabric_of
from hw_build.kernels.halving import HalvingKernel
from hw_build.kernels.resources import fifo2_luts
from hw_build.kernels.row_memory import ROW_MEMORY
from hw_build.kernels.stream_kernel import own_files, shared_files

if TYPE_CHECKING:
    import numpy as np

    from hw_build.kernels.base import RtlInstance

FILES = shared_files(ROW_MEMORY) + own_files(__file__, "maxpool2x2.sv")


def maxpool_reference(x: np.ndarray) -> np.ndarray:
    """x (N, H, W, C) with even H and W -> (N, H/2, W/2, C)."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


class MaxPool2x2_rtl(HalvingKernel):
    """Input x (1,H,W,C), H and W even, signed or unsigned; output (1,H/2,W/2,C)."""

    told = ("a 2x2 max-pool", "pools")

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``maxpool_reference``."""
        return [maxpool_reference(inputs[0])]

    def rtl_instance(self, model) -> RtlInstance:
        """maxpool2x2."""
        self.verify_node()
        return self.instance("maxpool2x2", FILES, self.rtl_parameters())

    def row_memory(self) -> tuple[int, int]:
        """(depth, width in bits) of the memory of one row of horizontal maxima."""
        groups = self.get_nodeattr("NumChannels") // self.pe
        return self.image_dim[1] // 2 * groups, self.get_instream_width(0)

    def bram_estimation(self, fpgapart: str) -> int:
        """18 Kbit blocks of the row memory."""
        return fabric_of(fpgapart).ram_bram18(*self.row_memory(), self.ram_style)

    def lut_estimation(self, fpgapart: str) -> int:
        """Two maxima a channel, the pair memory, counters and output buffer."""
        width = self.get_instream_width(0)
        groups = self.get_nodeattr("NumChannels") // self.pe
        fabric = fabric_of(fpgapart)
        memories = fabric.lutram_luts(groups, width) + fabric.ram_luts(*self.row_memory(), self.ram_style)
        return 3 * width + memories + 27 + fifo2_luts(width)
