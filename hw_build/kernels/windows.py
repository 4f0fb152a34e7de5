"""Kernels that make one pixel of each window of an image, whose taps come one after the other."""

from __future__ import annotations

from hw_build.base.errors import ConfigError
from hw_build.kernels.rows import Rows, pointwise_rows
from hw_build.kernels.stream_kernel import StreamKernel


class WindowKernel(StreamKernel):
    """Input x (1,H,W,T*C), a window a pixel; output (1,H,W,C). Attribute Taps is T.

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

    def verify_node(self) -> None:
        """Taps must be 2 or more, and divide the channels."""
        channels = self.get_nodeattr("NumChannels")
        if self.taps < 2 or channels < 1 or channels % self.taps:
            raise ConfigError(
                f"{self.onnx_node.name}: Taps={self.taps} must be 2 or more, and divide NumChannels={channels}"
            )
        super().verify_node()
