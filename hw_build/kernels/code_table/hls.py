"""A table of codes as a node of FINN's HLS back end."""

from __future__ import annotations

from pathlib import Path

from finn.custom_op.fpgadataflow.hls import register_custom_op

from hw_build.kernels.code_table.kernel import CodeTable_rtl
from hw_build.kernels.hls_node import HlsNode


@register_custom_op
class CodeTable_hls(CodeTable_rtl, HlsNode):
    """The C++ of ``code_table.hpp``."""

    header = Path(__file__).with_name("code_table.hpp")
    constants = ("table",)

    def cpp_function(self) -> str:
        """code_table, of one stream or two."""
        height, width = self.image_dim
        types = [*(self.get_input_datatype(ind) for ind in self.stream_inputs()), self.get_output_datatype(0)]
        sizes = [height * width, self.get_nodeattr("NumChannels") // self.pe, self.pe]
        return f"code_table<{', '.join(map(str, [*sizes, *(each.bitwidth() for each in types)]))}>"

    def cpp_constants(self, model) -> str:
        """Its words, in the order of the codes' bits."""
        bits, table = self.get_output_datatype(0).bitwidth(), self.table_of_bits(model)
        rows = ",\n".join(f"{{{', '.join(str(word % (1 << bits)) for word in row)}}}" for row in table.tolist())
        rows_by_words = "".join(f"[{length}]" for length in table.shape)
        return f"static const ap_uint<{bits}> table{rows_by_words} = {{\n{rows}}};\n"
