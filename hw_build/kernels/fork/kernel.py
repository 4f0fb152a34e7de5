"""Stream fork: one input stream copied to any number of output streams, each of which may stall on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError
from hw_build.kernels.resources import fifo2_luts
from hw_build.kernels.rows import Rows, pointwise_rows
from hw_build.kernels.stream_kernel import StreamKernel, own_files

if TYPE_CHECKING:
    import numpy as np

    from hw_build.kernels.base import RtlInstance

FILES = own_files(__file__, "stream_fork.sv")


def fork_reference(x: np.ndarray, num_outputs: int) -> list[np.ndarray]:
    """``num_outputs`` copies of x."""
    return [x.copy() for _ in range(num_outputs)]


class StreamFork_rtl(StreamKernel):
    """Input x (1,H,W,C); outputs: NumOutputs times x."""

    copies = True

    def get_nodeattr_types(self):
        """NumOutputs is the number of copies."""
        attributes = super().get_nodeattr_types()
        attributes.update({"NumOutputs": ("i", False, 2)})
        return attributes

    def rows(self) -> Rows:
        """Each its own."""
        return pointwise_rows(self.image_dim[0])

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``fork_reference``."""
        return fork_reference(inputs[0], self.get_nodeattr("NumOutputs"))

    def verify_node(self) -> None:
        """NumOutputs at least 2, and equal to the node's outputs."""
        super().verify_node()
        num_outputs = self.get_nodeattr("NumOutputs")
        if num_outputs < 2 or num_outputs != len(self.onnx_node.output):
            raise ConfigError(
                f"{self.onnx_node.name}: NumOutputs={num_outputs} with {len(self.onnx_node.output)} outputs; both must "
                "be the same number, at least 2"
            )

    def rtl_instance(self, model) -> RtlInstance:
        """stream_fork."""
        self.verify_node()
        parameters = {"READERS": self.get_nodeattr("NumOutputs"), "DATA_BITS": self.get_instream_width(0)}
        return self.instance("stream_fork", FILES, parameters)

    def lut_estimation(self, fpgapart: str) -> int:
        """The input buffer, a flag per output and what joins them."""
        return fifo2_luts(self.get_instream_width(0)) + 5 * (self.get_nodeattr("NumOutputs") // 2 + 1)
