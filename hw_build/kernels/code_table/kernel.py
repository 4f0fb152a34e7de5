"""A table of codes: Y = T[c, a], or Y = T[c, a, b] of two streams, any function of codes, of each channel or of all.

The table holds every code that can come: a ROM of LUTs, or of block RAM where it is large.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from hw_build.base.errors import ConfigError
from hw_build.kernels.literals import packed_literal
from hw_build.kernels.resources import dense_rom_luts, fifo2_luts, forced_bram18
from hw_build.kernels.rows import Rows, pointwise_rows
from hw_build.kernels.stream_kernel import StreamKernel, own_files, shared_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_build.kernels.base import RtlInstance

MAX_ADDRESS_BITS = 12  # of all codes that a word depends on: 4096 words a channel
_LUTS_OF_A_BLOCK = 200  # a ROM that would take more lies in block RAM
_CORES = {1: ("code_table",), 2: ("code_table2", "code_table")}  # by streams, the outer one first
_WIDTHS = {1: ("X_BITS",), 2: ("A_BITS", "B_BITS")}


def code_table_reference(codes: list[np.ndarray], types: Sequence[BaseDataType], table: np.ndarray) -> np.ndarray:
    """One or two arrays (N, H, W, C) of ``types``; ``table`` (1 or C, words), the last stream's code counts fastest."""
    address = np.zeros_like(codes[0])
    for values, datatype in zip(codes, types, strict=True):
        address = address * (1 << datatype.bitwidth()) + values - int(datatype.min())
    return table[np.arange(table.shape[0]), address] if table.shape[0] > 1 else table[0][address]


class CodeTable_rtl(StreamKernel):
    """Inputs: one or two streams (1,H,W,C) of codes, and T (1 or C, words), from their least codes up."""

    def get_nodeattr_types(self):
        """``TableRows`` is 1 where all channels share the table, else NumChannels; inputDataType2 is empty for one
        stream; ChannelsFirst is 1 while the graph's tensors are (1, C, H, W), before the step `lower`.
        """
        return super().get_nodeattr_types() | {
            "inputDataType2": ("s", False, ""),
            "outputDataType": ("s", True, ""),
            "TableRows": ("i", True, 1),
            "ChannelsFirst": ("i", False, 0),
        }

    def stream_inputs(self) -> range:
        """One, or two."""
        return range(2 if self.get_nodeattr("inputDataType2") else 1)

    def get_input_datatype(self, ind: int = 0) -> BaseDataType:
        """Data type of either stream."""
        return DataType[self.get_nodeattr("inputDataType2" if ind else "inputDataType")]

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Data type of the words."""
        return DataType[self.get_nodeattr("outputDataType")]

    def infer_node_datatype(self, model) -> None:
        """Take the input types from the graph, annotate the output."""
        if len(self.stream_inputs()) > 1:
            self.set_nodeattr("inputDataType2", model.get_tensor_datatype(self.onnx_node.input[1]).name)
        super().infer_node_datatype(model)

    def rows(self) -> Rows:
        """Each its own."""
        return pointwise_rows(self.image_dim[0])

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``code_table_reference``."""
        return [code_table_reference(inputs[:-1], self._types, inputs[-1])]

    def execute_node(self, context, graph) -> None:
        """On tensors in either layout."""
        names = [*(self.onnx_node.input[ind] for ind in self.stream_inputs()), self.onnx_node.output[0]]
        if not self.get_nodeattr("ChannelsFirst"):
            super().execute_node(context, graph)
            return
        turned = {name: context[name].transpose(0, 2, 3, 1) for name in names}
        turned[self.onnx_node.input[-1]] = context[self.onnx_node.input[-1]]
        super().execute_node(turned, graph)
        context[names[-1]] = turned[names[-1]].transpose(0, 3, 1, 2)

    @property
    def _types(self) -> list[BaseDataType]:
        return [self.get_input_datatype(ind) for ind in self.stream_inputs()]

    @property
    def _address_bits(self) -> int:
        return sum(datatype.bitwidth() for datatype in self._types)

    @property
    def _rom(self) -> tuple[int, int]:
        """(depth, width in bits) of the ROM of a lane."""
        rows = self.get_nodeattr("TableRows")
        return (1 if rows == 1 else rows // self.pe) << self._address_bits, self.get_output_datatype(0).bitwidth()

    @property
    def _in_block_ram(self) -> bool:
        return dense_rom_luts(*self._rom) > _LUTS_OF_A_BLOCK

    def verify_node(self) -> None:
        """Codes few enough."""
        super().verify_node()
        if self._address_bits > MAX_ADDRESS_BITS:
            names = " and ".join(datatype.name for datatype in self._types)
            raise ConfigError(
                f"{self.onnx_node.name}: a table of {names} has 2**{self._address_bits} words a channel, more than "
                f"2**{MAX_ADDRESS_BITS}; quantize to fewer bits"
            )

    def table_of_bits(self, model) -> np.ndarray:
        """(TableRows, words): the place of a word is the bits of its codes, those of the first stream above.

        Raises:
            ConfigError: it has not a row for all channels, or for each.
        """
        types, table = self._types, self.constant(model, len(self._types))
        rows, words = self.get_nodeattr("TableRows"), 1 << self._address_bits
        if rows not in (1, self.get_nodeattr("NumChannels")) or table.shape != (rows, words):
            raise ConfigError(
                f"{self.onnx_node.name}: its table has shape {table.shape}, expected ({rows}, {words}), one row or one "
                "per channel"
            )
        for axis, datatype in enumerate(types):  # from the least code up -> in the order of the codes' bits
            sizes = (rows, *(1 << each.bitwidth() for each in types))
            table = np.roll(table.reshape(sizes), int(datatype.min()), axis=axis + 1).reshape(rows, words)
        return table

    def rtl_instance(self, model) -> RtlInstance:
        """code_table or code_table2."""
        self.verify_node()
        types, y_type, table = self._types, self.get_output_datatype(0), self.table_of_bits(model)
        rows, words = table.shape
        if rows > 1:
            table = table.reshape(-1, self.pe, words).transpose(1, 0, 2)  # (C, words) -> (PE, C/PE, words)
        parameters = {
            "PE": self.pe,
            "ROWS": rows,
            **{name: datatype.bitwidth() for name, datatype in zip(_WIDTHS[len(types)], types, strict=True)},
            "Y_BITS": y_type.bitwidth(),
            "BLOCK": int(self._in_block_ram),
            "CONTENTS": packed_literal(table, y_type.bitwidth()),
        }
        cores = _CORES[len(types)]
        files = shared_files("lib/rom.sv") + own_files(__file__, *(f"{core}.sv" for core in cores))
        return self.instance(cores[0], files, parameters)

    def bram_estimation(self, fpgapart: str) -> int:
        """18 Kbit blocks of the ROMs."""
        return self.pe * forced_bram18(*self._rom) if self._in_block_ram else 0

    def lut_estimation(self, fpgapart: str) -> int:
        """The ROMs, the row's counter and the output buffer."""
        roms = 0 if self._in_block_ram else self.pe * dense_rom_luts(*self._rom)
        counter = 0 if self.get_nodeattr("TableRows") == 1 or self._in_block_ram else 6
        return roms + counter + 4 + fifo2_luts(self.get_outstream_width(0))
