"""A kernel with C++ as a node of FINN's HLS back end: what FINN lacks of a segmentation network.

Such nodes stand among FINN's own (their domain and registry), so that FINN's transformations take them. A kernel has
one by a module ``hls`` in its folder, and a header beside it with a function of the kernel's streams for one frame:
beats of packed elements, element i in bits [i*width +: width].
"""

from __future__ import annotations

import shutil
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from finn.custom_op.fpgadataflow.hlsbackend import HLSBackend

if TYPE_CHECKING:
    from qonnx.core.datatype import BaseDataType

CONSTANTS = "constants.h"


class HlsNode(HLSBackend):
    """Behind its kernel among the bases of a node: attributes, shapes and numpy reference are the kernel's.

    ``header`` is the kernel's C++, which needs Vitis' headers alone; ``constants`` are arguments of its function that
    ``cpp_constants`` defines.
    """

    header: ClassVar[Path]
    constants: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def cpp_function(self) -> str:
        """The function of ``header`` with its template arguments; its arguments are all inputs, then the output, then
        the constants.
        """

    def cpp_constants(self, model) -> str:
        """C++ that defines ``constants``."""
        return ""

    def generate_params(self, model, path) -> None:
        """The header, beside the generated source, and the constants."""
        shutil.copyfile(self.header, Path(path) / self.header.name)
        if self.constants:
            (Path(path) / CONSTANTS).write_text(self.cpp_constants(model))

    def global_includes(self) -> None:
        """The header, then the constants."""
        names = [self.header.name, *([CONSTANTS] if self.constants else [])]
        self.code_gen_dict["$GLOBALS$"] = [f'#include "{name}"' for name in names]

    def defines(self, var) -> None:
        """Nothing: all parameters are template arguments."""
        self.code_gen_dict["$DEFINES$"] = []

    def docompute(self) -> None:
        """The call for one frame."""
        self.code_gen_dict["$DOCOMPUTE$"] = [f"{self.cpp_function()}({', '.join([*self._ports(), *self.constants])});"]

    def blackboxfunction(self) -> None:
        """The top function."""
        streams = ", ".join(f"hls::stream<ap_uint<{bits}>> &{name}" for name, bits in self._ports().items())
        self.code_gen_dict["$BLACKBOXFUNCTION$"] = [f"void {self.onnx_node.name}({streams})"]

    def pragmas(self) -> None:
        """AXI-Stream at each port, and no handshake around them."""
        ports = [f"#pragma HLS INTERFACE axis port={name}" for name in self._ports()]
        self.code_gen_dict["$PRAGMAS$"] = [*ports, "#pragma HLS INTERFACE ap_ctrl_none port=return"]

    def get_ap_int_max_w(self) -> int:
        """The widest beat, of any input."""
        return max(super().get_ap_int_max_w(), *self._ports().values())

    def _ports(self) -> dict[str, int]:
        """Name -> bits of a beat."""
        inputs = {f"in{ind}_V": self.get_instream_width(ind) for ind in self.stream_inputs()}
        return inputs | {"out0_V": self.get_outstream_width(0)}


def cpp_type(data_type: BaseDataType, more_bits: int = 0) -> str:
    """The C++ of ``data_type``, some bits wider."""
    return f"{'ap_int' if data_type.signed() else 'ap_uint'}<{data_type.bitwidth() + more_bits}>"
