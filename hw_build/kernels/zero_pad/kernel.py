"""Zeros around an image: Y[y, x, c] = X[y - top, x - left, c - before] inside, 0 elsewhere.

The zeros of a frame leave when its first pixel has come, never before: what reads them alone, as a convolution of one
pixel or the output does, would take them for a frame that nobody has sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.base.errors import ConfigError
from hw_build.kernels.resources import fifo2_luts
from hw_build.kernels.rows import Rows, padded_rows
from hw_build.kernels.stream_kernel import StreamKernel, own_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_build.kernels.base import RtlInstance

FILES = own_files(__file__, "zero_pad.sv", "pad_axis.sv")


def zero_pad_reference(x: np.ndarray, pads: Sequence[int], channels: Sequence[int]) -> np.ndarray:
    """x (N, H, W, C), pads [top, left, bottom, right], channels [before, behind] -> (N, H', W', C')."""
    top, left, bottom, right = pads
    return np.pad(x, ((0, 0), (top, bottom), (left, right), tuple(channels)))


class ZeroPad_rtl(StreamKernel):
    """Input x (1,H,W,C), signed or unsigned; output (1,H',W',C') of the same type.

    Attributes: Padding [top, left, bottom, right], Channels [before, behind] those of a pixel. PE divides all of them.
    """

    def get_nodeattr_types(self):
        """How many zeros."""
        return super().get_nodeattr_types() | {
            "Padding": ("ints", True, []),
            "Channels": ("ints", False, [0, 0]),
        }

    @property
    def pads(self) -> list[int]:
        """[top, left, bottom, right]."""
        return list(self.get_nodeattr("Padding"))

    @property
    def groups_around(self) -> list[int]:
        """Beats of zeros [before, behind] those of a pixel."""
        return [channels // self.pe for channels in self.get_nodeattr("Channels")]

    def output_size(self) -> tuple[int, int]:
        """Larger by the zeros."""
        (height, width), (top, left, bottom, right) = self.image_dim, self.pads
        return top + height + bottom, left + width + right

    def output_channels(self) -> int:
        """More by the zeros."""
        return self.get_nodeattr("NumChannels") + sum(self.get_nodeattr("Channels"))

    def folding_limits(self) -> dict[str, tuple[str, int]]:
        """A beat is of the image or of zeros, as a whole."""
        before, behind = self.get_nodeattr("Channels")
        if not before and not behind:
            return super().folding_limits()
        whole = int(np.gcd.reduce([self.get_nodeattr("NumChannels"), before, behind]))
        return {"PE": ("the greatest common divisor of NumChannels and Channels", whole)}

    def rows(self) -> Rows:
        """Those of the image, and zeros."""
        top, _, bottom, _ = self.pads
        return padded_rows(self.image_dim[0], top, bottom)

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``zero_pad_reference``."""
        return [zero_pad_reference(inputs[0], self.pads, self.get_nodeattr("Channels"))]

    def verify_node(self) -> None:
        """Nothing may be cut off."""
        pads, channels = self.pads, list(self.get_nodeattr("Channels"))
        if len(pads) != 4 or len(channels) != 2 or min(*pads, *channels) < 0:
            raise ConfigError(
                f"{self.onnx_node.name}: Padding={pads} and Channels={channels} must be four and two numbers of zeros, "
                "none negative"
            )
        super().verify_node()

    def rtl_instance(self, model) -> RtlInstance:
        """zero_pad."""
        self.verify_node()
        (height, width), (top, left, bottom, right) = self.image_dim, self.pads
        before, behind = self.groups_around
        parameters = {
            "HEIGHT": height,
            "WIDTH": width,
            "GROUPS": self.get_nodeattr("NumChannels") // self.pe,
            "BEAT": self.get_instream_width(0),
            "TOP": top,
            "LEFT": left,
            "BOTTOM": bottom,
            "RIGHT": right,
            "GROUPS_BEFORE": before,
            "GROUPS_BEHIND": behind,
        }
        return self.instance("zero_pad", FILES, parameters)

    def lut_estimation(self, fpgapart: str) -> int:
        """Counters, what they are compared with, and the output buffer; zeros are resets of what leaves. Fitted."""
        height, width = self.output_size()
        places = [(height, self.pads[::2]), (width, self.pads[1::2])]
        places.append((self.output_channels() // self.pe, self.groups_around))
        counters = sum((size - 1).bit_length() for size, _ in places)
        borders = sum(any(around) for _, around in places)
        cut = sum(size & (size - 1) != 0 for size, _ in places)  # counters that do not end by themselves
        return counters + 4 * borders - 3 + cut + fifo2_luts(self.get_instream_width(0))
