"""Multiplication by a factor of the place as a node of FINN's HLS back end."""

from __future__ import annotations

from pathlib import Path

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.hls_node import HlsNode, cpp_type
from hw_build.kernels.place_factor.kernel import PlaceFactor_rtl


@register_custom_op
class PlaceFactor_hls(PlaceFactor_rtl, HlsNode):
    """The C++ of ``place_factor.hpp``."""

    header = Path(__file__).with_name("place_factor.hpp")
    constants = ("rows", "columns")

    def cpp_function(self) -> str:
        """place_factor."""
        sizes = [*self.image_dim, self.get_nodeattr("NumChannels") // self.pe, self.pe]
        types = [cpp_type(each) for each in (self.get_input_datatype(0), self.get_output_datatype(0))]
        return f"place_factor<{', '.join(map(str, [*sizes, *types, f'ap_uint<{self.factor_bits[-1]}>']))}>"

    def cpp_constants(self, model) -> str:
        """The factors of rows and of columns."""
        each = zip(self.constants, self.factors, self.factor_bits[:-1], strict=True)
        return "".join(
            f"static const ap_uint<{bits}> {name}[{len(factors)}] = {{{', '.join(map(str, factors))}}};\n"
            for name, factors, bits in each
        )
