"""What gates repeat: one pixel all over an image, Y[y, x, c] = X[c], one of each row, X[y, c], or of each column,
X[x, c]; or one channel for all, Y[y, x, c] = X[y, x].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.base.errors import ConfigError
from hw_build.kernels.fabric import fabric_of
from hw_build.kernels.resources import fifo2_luts
from hw_build.kernels.rows import Rows, pointwise_rows, upsampled_rows
from hw_build.kernels.stream_kernel import StreamKernel, own_files

if TYPE_CHECKING:
    from hw_build.kernels.base import RtlInstance

FILES = own_files(__file__, "stream_repeat.sv")


def repeat_reference(x: np.ndarray, size: tuple[int, int], channels: int) -> np.ndarray:
    """x (N, h, w, channels), h and w as ``size`` or 1, or (N, *size, 1) -> (N, *size, channels)."""
    return np.broadcast_to(x, (x.shape[0], *size, channels))


class StreamRepeat_rtl(StreamKernel):
    """Input x (1,1,1,C), (1,H,1,C), (1,1,W,C) or (1,H,W,1); output (1,H,W,C).

    Attributes OutDim [H, W] and OutChannels C.
    """

    def get_nodeattr_types(self):
        """Size and channels of the output."""
        return super().get_nodeattr_types() | {"OutDim": ("ints", True, []), "OutChannels": ("i", True, 0)}

    def output_size(self) -> tuple[int, int]:
        """(H, W)."""
        height, width = self.get_nodeattr("OutDim")
        return height, width

    def output_channels(self) -> int:
        """C."""
        return self.get_nodeattr("OutChannels")

    @property
    def _of_pixels(self) -> bool:
        """Whether pixels are repeated, not a channel."""
        return self.get_nodeattr("NumChannels") == self.output_channels()

    def folding_limits(self) -> dict[str, tuple[str, int]]:
        """Of the output."""
        return {"PE": ("OutChannels", self.output_channels())}

    def input_elements(self, ind: int = 0) -> int:
        """A beat of one channel holds one code."""
        return self.pe if self._of_pixels else 1

    def resize(self, size: tuple[int, int]) -> tuple[int, int]:
        """A pixel stays a pixel, a line a line: how often it is repeated does not follow from its own size."""
        if self._of_pixels:
            raise ConfigError(
                f"{self.onnx_node.name} repeats pixels all over {'x'.join(map(str, self.output_size()))}: export the "
                "network at the size that is needed"
            )
        self.set_nodeattr("OutDim", list(size))
        return super().resize(size)

    def rows(self) -> Rows:
        """The one there is, or each its own."""
        height = self.output_size()[0]
        of_one = self._of_pixels and self.image_dim[0] == 1
        return upsampled_rows(1, factor=height, mode="nearest") if of_one else pointwise_rows(height)

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``repeat_reference``."""
        return [repeat_reference(inputs[0], self.output_size(), self.output_channels())]

    def verify_node(self) -> None:
        """Pixels of one row or column, or one channel."""
        super().verify_node()
        sides = zip(self.image_dim, self.output_size(), strict=True)
        lines = self._of_pixels and all(side in (1, whole) for side, whole in sides)
        if not lines and not (self.image_dim == self.output_size() and self.get_nodeattr("NumChannels") == 1):
            raise ConfigError(
                f"{self.onnx_node.name}: repeats {self.get_normal_input_shape()[1:]} to "
                f"{self.get_normal_output_shape()[1:]}; one pixel is repeated, or one of each row or column, or one "
                "channel"
            )

    @property
    def groups(self) -> int:
        """Beats that are repeated together: those of a pixel, or of a row of them, or one of a channel."""
        if not self._of_pixels:
            return 1
        width = self.image_dim[1]
        return (width if width == self.output_size()[1] else 1) * self.output_channels() // self.pe

    @property
    def times(self) -> int:
        """How often they are."""
        if not self._of_pixels:
            return self.output_channels() // self.pe
        (height, width), before = self.output_size(), self.image_dim
        return height * width // (before[0] * before[1])

    @property
    def blocks(self) -> int:
        """How many of such a frame has."""
        beats = self.get_nodeattr("NumChannels") // self.input_elements()
        return self.image_dim[0] * self.image_dim[1] * beats // self.groups

    def rtl_instance(self, model) -> RtlInstance:
        """stream_repeat."""
        self.verify_node()
        parameters = {
            "GROUPS": self.groups,
            "IN_LANES": self.input_elements(),
            "PE": self.pe,
            "X_BITS": self.get_input_datatype(0).bitwidth(),
            "TIMES": self.times,
        }
        return self.instance("stream_repeat", FILES, parameters)

    def lut_estimation(self, fpgapart: str) -> int:
        """The memory, the choice between it and what has come, and the output buffer; counters take carry chains."""
        depth, width = self.groups, self.get_instream_width(0)
        memory = width + fabric_of(fpgapart).single_port_luts(depth, width, "distributed") if depth > 1 else 0
        return memory + 6 + fifo2_luts(width)
