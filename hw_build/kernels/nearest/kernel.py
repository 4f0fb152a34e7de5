"""Nearest upsampling by a whole factor f: Y[y, x, c] = X[y // f, x // f, c]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError
from hw_build.kernels.fabric import fabric_of
from hw_build.kernels.resources import fifo2_luts
from hw_build.kernels.row_memory import ROW_MEMORY
from hw_build.kernels.rows import Rows, upsampled_rows
from hw_build.kernels.stream_kernel import own_files, shared_files
from hw_build.kernels.upsampling import UpsamplingKernel

if TYPE_CHECKING:
    import numpy as np

    from hw_build.kernels.base import RtlInstance

FILES = shared_files(ROW_MEMORY) + own_files(__file__, "upsample_nearest.sv")


def nearest_reference(x: np.ndarray, factor: int) -> np.ndarray:
    """x (N, H, W, C) -> (N, factor*H, factor*W, C)."""
    return x.repeat(factor, axis=1).repeat(factor, axis=2)


class NearestUpsample_rtl(UpsamplingKernel):
    """Input x (1,H,W,C), signed or unsigned; output (1,fH,fW,C) of the same type; attribute Factor is f."""

    def get_nodeattr_types(self):
        """Factor, at least 2."""
        return super().get_nodeattr_types() | {"Factor": ("i", True, 0)}

    def rows(self) -> Rows:
        """f of each."""
        return upsampled_rows(self.image_dim[0], factor=self.factor, mode="nearest")

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``nearest_reference``."""
        return [nearest_reference(inputs[0], self.factor)]

    def verify_node(self) -> None:
        """Factor must be 2 or more."""
        super().verify_node()
        if self.factor < 2:
            raise ConfigError(f"{self.onnx_node.name}: Factor={self.factor} must be 2 or more")

    def rtl_instance(self, model) -> RtlInstance:
        """upsample_nearest."""
        self.verify_node()
        parameters = {
            "WIDTH": self.image_dim[1],
            "CHANNELS": self.get_nodeattr("NumChannels"),
            "PE": self.pe,
            "X_BITS": self.get_input_datatype(0).bitwidth(),
            "FACTOR": self.factor,
        } | self.settled_row_memory()
        return self.instance("upsample_nearest", FILES, parameters)

    def row_memory(self) -> tuple[int, int]:
        """(depth, width in bits) of the memory of one row of the input."""
        return self.image_dim[1] * (self.get_nodeattr("NumChannels") // self.pe), self.get_instream_width(0)

    def bram_estimation(self, fpgapart: str) -> int:
        """18 Kbit blocks of the row memory."""
        return fabric_of(fpgapart).ram_bram18(*self.row_memory(), self.settled_ram_style)

    def lut_estimation(self, fpgapart: str) -> int:
        """The row memory, the choice between it and what has come, counters and output buffer."""
        depth, width = self.row_memory()
        memory = fabric_of(fpgapart).single_port_luts(depth, width, self.settled_ram_style)
        return width + 2 * (depth - 1).bit_length() + 16 + memory + fifo2_luts(width)
