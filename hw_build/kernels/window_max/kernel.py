"""Maximum over the taps of windows: Y[y, x, c] = max over t of X[y, x, t*C + c]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.kernels.channel_fold import FILES, fold_luts
from hw_build.kernels.fabric import fabric_of
from hw_build.kernels.stream_kernel import own_files
from hw_build.kernels.windows import WindowKernel

if TYPE_CHECKING:
    import numpy as np

    from hw_build.kernels.base import RtlInstance


def window_max_reference(x: np.ndarray, taps: int) -> np.ndarray:
    """x (N, H, W, taps*C) -> (N, H, W, C)."""
    return x.reshape(*x.shape[:3], taps, -1).max(axis=3)


class WindowMax_rtl(WindowKernel):
    """A `WindowKernel` of maxima, signed or unsigned."""

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``window_max_reference``."""
        return [window_max_reference(inputs[0], self.taps)]

    def rtl_instance(self, model) -> RtlInstance:
        """window_max."""
        self.verify_node()
        parameters = {
            "CHANNELS": self.output_channels(),
            "PE": self.pe,
            "TAPS": self.taps,
            **self.input_parameters(),
        }
        return self.instance("window_max", FILES + own_files(__file__, "window_max.sv"), parameters)

    def lut_estimation(self, fpgapart: str) -> int:
        """A maximum and a memory a channel, counters and output buffer."""
        width, groups = self.get_instream_width(0), self.output_channels() // self.pe
        maxima = width if groups == 1 else 2 * width  # beside a register the choice is its own enable
        return maxima + fold_luts(fabric_of(fpgapart), width, groups, self.taps)
