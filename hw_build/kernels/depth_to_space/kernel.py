"""Depth to space, ONNX' mode DCR: Y[b*y + i, b*x + j, c] = X[y, x, (i*b + j)*C + c] for blocks of b x b."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError
from hw_build.kernels.fabric import fabric_of
from hw_build.kernels.resources import fifo2_luts
from hw_build.kernels.row_memory import ROW_MEMORY, RowMemoryKernel
from hw_build.kernels.rows import Rows, upsampled_rows
from hw_build.kernels.stream_kernel import own_files, shared_files

if TYPE_CHECKING:
    import numpy as np

    from hw_build.kernels.base import RtlInstance

FILES = shared_files(ROW_MEMORY) + own_files(__file__, "depth_to_space.sv")


def depth_to_space_reference(x: np.ndarray, block: int) -> np.ndarray:
    """x (N, H, W, block*block*C) -> (N, block*H, block*W, C)."""
    batch, height, width, channels = x.shape
    parts = x.reshape(batch, height, width, block, block, channels // block**2)
    return parts.transpose(0, 1, 3, 2, 4, 5).reshape(batch, block * height, block * width, -1)


class DepthToSpace_rtl(RowMemoryKernel):
    """Input x (1,H,W,b*b*C), signed or unsigned; output (1,bH,bW,C) of the same type; attribute Block is b.

    NumChannels are those of the input; PE divides C.
    """

    def get_nodeattr_types(self):
        """Block, at least 2."""
        return super().get_nodeattr_types() | {"Block": ("i", True, 0)}

    @property
    def block(self) -> int:
        """Pixels of the output for one of the input, along each side."""
        return self.get_nodeattr("Block")

    def output_channels(self) -> int:
        """C."""
        return self.get_nodeattr("NumChannels") // self.block**2

    def folding_limits(self) -> dict[str, tuple[str, int]]:
        """A beat holds channels of one pixel of the output."""
        return {"PE": ("NumChannels/Block^2", self.output_channels())}

    def output_size(self) -> tuple[int, int]:
        """(bH, bW)."""
        height, width = self.image_dim
        return self.block * height, self.block * width

    def rows(self) -> Rows:
        """b of each."""
        return upsampled_rows(self.image_dim[0], factor=self.block, mode="nearest")

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``depth_to_space_reference``."""
        return [depth_to_space_reference(inputs[0], self.block)]

    def get_exp_cycles(self) -> int:
        """A cycle for each beat that comes and for each that was stored."""
        beats = math.prod(self.get_folded_input_shape(0)[:-1])
        return beats + beats * (self.block - 1) // self.block

    def verify_node(self) -> None:
        """Block must be 2 or more, and its square divide the channels."""
        block, channels = self.block, self.get_nodeattr("NumChannels")
        if block < 2 or channels < 1 or channels % block**2:
            raise ConfigError(
                f"{self.onnx_node.name}: Block={block} must be 2 or more, and its square divide NumChannels={channels}"
            )
        super().verify_node()

    def rtl_instance(self, model) -> RtlInstance:
        """depth_to_space."""
        self.verify_node()
        parameters = {
            "WIDTH": self.image_dim[1],
            "CHANNELS": self.output_channels(),
            "PE": self.pe,
            "X_BITS": self.get_input_datatype(0).bitwidth(),
            "BLOCK": self.block,
        } | self.settled_row_memory()
        return self.instance("depth_to_space", FILES, parameters)

    def row_memory(self) -> tuple[int, int]:
        """(depth, width in bits) of the memory of all rows of a block but the first."""
        row = self.image_dim[1] * self.block * (self.output_channels() // self.pe)
        return (self.block - 1) * row, self.get_instream_width(0)

    def bram_estimation(self, fpgapart: str) -> int:
        """18 Kbit blocks of the row memory."""
        return fabric_of(fpgapart).ram_bram18(*self.row_memory(), self.settled_ram_style)

    def lut_estimation(self, fpgapart: str) -> int:
        """The row memory, the choice between it and what has come, counters and output buffer."""
        depth, width = self.row_memory()
        memory = fabric_of(fpgapart).single_port_luts(depth, width, self.settled_ram_style)
        return width + 4 * (depth - 1).bit_length() + 12 + memory + fifo2_luts(width)
