"""Maximum over the taps of windows: Y[y, x, c] = max over t of X[y, x, t*C + c]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError
from hw_build.kernels.resources import fifo2_luts, lutram_luts
from hw_build.kernels.rows import Rows, pointwise_rows
from hw_build.kernels.stream_kernel import StreamKernel, own_files

if TYPE_CHECKING:
    import numpy as np

    from hw_build.kernels.base import RtlInstance

FILES = own_files(__file__, "window_max.sv")


def window_max_reference(x: np.ndarray, taps: int) -> np.ndarray:
    """x (N, H, W, taps*C) -> (N, H, W, C)."""
    return x.reshape(*x.shape[:3], taps, -1).max(axis=3)


class WindowMax_rtl(StreamKernel):
    """Input x (1,H,W,T*C), signed or unsigned, a window a pixel; output (1,H,W,C). Attribute Taps is T.

    NumChannels are those of the input; PE divides C.
    """

    def get_nodeattr_types(self):
        """Taps, at least 2."""
        return super().get_nodeattr_types() | {"Taps": ("i", True, 0)}

    @property
    def taps(self) -> int:
        """Pixels of a window."""
        return self.get_nodeattr("Taps")

    def output_channels(self) -> int:
        """C."""
        return self.get_nodeattr("NumChannels") // self.taps

    def folding_limits(self) -> dict[str, tuple[str, int]]:
        """A beat holds channels of one tap."""
        return {"PE": ("NumChannels/Taps", self.output_channels())}

    def rows(self) -> Rows:
        """A row of windows each."""
        return pointwise_rows(self.image_dim[0])

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``window_max_reference``."""
        return [window_max_reference(inputs[0], self.taps)]

    def verify_node(self) -> None:
        """Taps must be 2 or more, and divide the channels."""
        channels = self.get_nodeattr("NumChannels")
        if self.taps < 2 or channels < 1 or channels % self.taps:
            raise ConfigError(
                f"{self.onnx_node.name}: Taps={self.taps} must be 2 or more, and divide NumChannels={channels}"
            )
        super().verify_node()

    def rtl_instance(self, model) -> RtlInstance:
        """window_max."""
        self.verify_node()
        data_type = self.get_input_datatype(0)
        parameters = {
            "CHANNELS": self.output_channels(),
            "PE": self.pe,
            "TAPS": self.taps,
            "X_BITS": data_type.bitwidth(),
            "X_SIGNED": int(data_type.signed()),
        }
        return self.instance("window_max", FILES, parameters)

    def lut_estimation(self, fpgapart: str) -> int:
        """A maximum and a memory a channel, counters and output buffer."""
        width, groups = self.get_instream_width(0), self.output_channels() // self.pe
        counters = (groups - 1).bit_length() + (self.taps - 1).bit_length()
        maxima = width if groups == 1 else 2 * width  # beside a register the choice is its own enable
        return maxima + lutram_luts(groups, width) + counters + 4 + fifo2_luts(width)
