"""Stream add: the exact integer sum of two streams of the same shape, each times a whole number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError
from hw_build.kernels.multiples import check_times, multiple_adders
from hw_build.kernels.pair import PairKernel
from hw_build.kernels.resources import fifo2_luts
from hw_build.kernels.stream_kernel import own_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from hw_build.kernels.base import RtlInstance

FILES = own_files(__file__, "stream_add.sv")


def add_reference(a: np.ndarray, b: np.ndarray, times: Sequence[int] = (1, 1)) -> np.ndarray:
    """times[0]*a + times[1]*b, both (N, H, W, C)."""
    return times[0] * a + times[1] * b


class StreamAdd_rtl(PairKernel):
    """Inputs a, b (1,H,W,C); output Times[0]*a + Times[1]*b in a type that holds it."""

    def get_nodeattr_types(self):
        """Times: how many times each input counts, 1 or more."""
        return super().get_nodeattr_types() | {"Times": ("ints", False, [1, 1])}

    @property
    def times(self) -> list[int]:
        """How many times each input counts."""
        return list(self.get_nodeattr("Times"))

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``add_reference``."""
        return [add_reference(inputs[0], inputs[1], self.times)]

    def verify_node(self) -> None:
        """The output type must hold every sum."""
        super().verify_node()
        check_times(self.onnx_node.name, self.times)
        a, b, out = (self.get_input_datatype(0), self.get_input_datatype(1), self.get_output_datatype(0))
        first, second = self.times
        low, high = int(first * a.min() + second * b.min()), int(first * a.max() + second * b.max())
        if low < out.min() or high > out.max():
            raise ConfigError(
                f"{self.onnx_node.name}: the sum of {a.name} and {b.name} spans {low} to {high}, which "
                f"outputDataType={out.name} cannot hold; choose a wider output type"
            )

    def rtl_instance(self, model) -> RtlInstance:
        """stream_add."""
        self.verify_node()
        a, b, out = (self.get_input_datatype(0), self.get_input_datatype(1), self.get_output_datatype(0))
        parameters = {
            "PE": self.pe,
            "A_BITS": a.bitwidth(),
            "A_SIGNED": int(a.signed()),
            "B_BITS": b.bitwidth(),
            "B_SIGNED": int(b.signed()),
            "Y_BITS": out.bitwidth(),
            "A_TIMES": self.times[0],
            "B_TIMES": self.times[1],
        }
        return self.instance(
            "stream_add",
            FILES,
            parameters,
        )

    def lut_estimation(self, fpgapart: str) -> int:
        """One adder a channel, those of the multiples, and the output buffer."""
        adders = 1 + multiple_adders(self.times)
        return adders * self.get_outstream_width(0) + 4 + fifo2_luts(self.get_outstream_width(0))
