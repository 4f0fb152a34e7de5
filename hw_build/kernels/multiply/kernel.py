"""Stream multiply: the exact integer product of two streams of the same shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError
from hw_build.kernels.pair import PairKernel
from hw_build.kernels.resources import fifo2_luts, product_dsps
from hw_build.kernels.stream_kernel import own_files

if TYPE_CHECKING:
    import numpy as np

    from hw_build.kernels.base import RtlInstance

FILES = own_files(__file__, "stream_multiply.sv")


def multiply_reference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a * b, both (N, H, W, C)."""
    return a * b


class StreamMultiply_rtl(PairKernel):
    """Inputs a, b (1,H,W,C); output a * b in outputDataType, which holds every product."""

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``multiply_reference``."""
        return [multiply_reference(inputs[0], inputs[1])]

    def verify_node(self) -> None:
        """The output type must hold every product."""
        super().verify_node()
        a, b, out = self.get_input_datatype(0), self.get_input_datatype(1), self.get_output_datatype(0)
        corners = [int(x * y) for x in (a.min(), a.max()) for y in (b.min(), b.max())]
        if min(corners) < out.min() or max(corners) > out.max():
            raise ConfigError(
                f"{self.onnx_node.name}: {a.name} times {b.name} spans {min(corners)} to {max(corners)}, which "
                f"outputDataType={out.name} cannot hold; choose a wider output type"
            )

    def rtl_instance(self, model) -> RtlInstance:
        """stream_multiply."""
        self.verify_node()
        a, b, out = self.get_input_datatype(0), self.get_input_datatype(1), self.get_output_datatype(0)
        parameters = {
            "PE": self.pe,
            "A_BITS": a.bitwidth(),
            "A_SIGNED": int(a.signed()),
            "B_BITS": b.bitwidth(),
            "B_SIGNED": int(b.signed()),
            "Y_BITS": out.bitwidth(),
        }
        return self.instance("stream_multiply", FILES, parameters)

    @property
    def _bits(self) -> tuple[int, int]:
        a, b = self.get_input_datatype(0), self.get_input_datatype(1)
        return a.bitwidth(), b.bitwidth()

    def dsp_estimation(self, fpgapart: str) -> int:
        """One a channel of a beat, where the product is wide."""
        return self.pe * product_dsps(*self._bits)

    def lut_estimation(self, fpgapart: str) -> int:
        """Products that take no DSP, and the output buffer."""
        first, second = self._bits
        products = 0 if product_dsps(first, second) else self.pe * round(1.35 * first * second)
        return products + 4 + fifo2_luts(self.get_outstream_width(0))
