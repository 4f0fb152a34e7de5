"""Multiplication by a factor of the place: Y[y, x, c] = X[y, x, c] * Rows[y] * Columns[x]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from hw_build.base.errors import ConfigError
from hw_build.kernels.literals import packed_literal
from hw_build.kernels.resources import dense_rom_luts, fifo2_luts, product_dsps
from hw_build.kernels.rows import Rows, pointwise_rows
from hw_build.kernels.stream_kernel import StreamKernel, own_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_build.kernels.base import RtlInstance

FILES = own_files(__file__, "place_factor.sv")


def place_factor_reference(x: np.ndarray, rows: Sequence[int], columns: Sequence[int]) -> np.ndarray:
    """x (N, H, W, C), factors (H,) and (W,) -> (N, H, W, C)."""
    return x * np.asarray(rows)[:, None, None] * np.asarray(columns)[:, None]


class PlaceFactor_rtl(StreamKernel):
    """Input x (1,H,W,C), signed or unsigned; output of outputDataType, which holds every product.

    Attributes RowFactors (H,) and ColumnFactors (W,) are positive.
    """

    def get_nodeattr_types(self):
        """Factors, and the data type of the products."""
        return super().get_nodeattr_types() | {
            "RowFactors": ("ints", True, []),
            "ColumnFactors": ("ints", True, []),
            "outputDataType": ("s", True, ""),
        }

    @property
    def factors(self) -> tuple[list[int], list[int]]:
        """Of rows and of columns."""
        rows, columns = (list(self.get_nodeattr(name)) for name in ("RowFactors", "ColumnFactors"))
        return rows, columns

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Data type of the products."""
        return DataType[self.get_nodeattr("outputDataType")]

    def rows(self) -> Rows:
        """Each its own."""
        return pointwise_rows(self.image_dim[0])

    def resize(self, size: tuple[int, int]) -> tuple[int, int]:
        """No other: factors belong to places."""
        if tuple(size) != self.image_dim:
            raise ConfigError(
                f"{self.onnx_node.name} was lowered for averages of {self.image_dim[0]}x{self.image_dim[1]} windows, "
                f"not {size[0]}x{size[1]}: set the size before"
            )
        return self.image_dim

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``place_factor_reference``."""
        return [place_factor_reference(inputs[0], *self.factors)]

    def verify_node(self) -> None:
        """A positive factor for each row and column, and room for the products."""
        super().verify_node()
        rows, columns = self.factors
        if (len(rows), len(columns)) != self.image_dim or min(*rows, *columns) < 1:
            raise ConfigError(
                f"{self.onnx_node.name}: RowFactors={rows} and ColumnFactors={columns} must be positive, one for each "
                f"of {self.image_dim[0]} rows and {self.image_dim[1]} columns"
            )

    @property
    def factor_bits(self) -> tuple[int, int, int]:
        """Of the widest factor of a row, of a column, and of the widest product of both."""
        row, column = (max(factors) for factors in self.factors)
        return row.bit_length(), column.bit_length(), (row * column).bit_length()

    def rtl_instance(self, model) -> RtlInstance:
        """place_factor."""
        self.verify_node()
        (height, width), (row_bits, column_bits, factor_bits) = self.image_dim, self.factor_bits
        rows, columns = self.factors
        parameters = {
            "HEIGHT": height,
            "WIDTH": width,
            "GROUPS": self.get_nodeattr("NumChannels") // self.pe,
            "PE": self.pe,
            **self.input_parameters(),
            "R_BITS": row_bits,
            "C_BITS": column_bits,
            "F_BITS": factor_bits,
            "Y_BITS": self.get_output_datatype(0).bitwidth(),
            "ROWS": packed_literal(np.array(rows), row_bits),
            "COLUMNS": packed_literal(np.array(columns), column_bits),
        }
        return self.instance("place_factor", FILES, parameters)

    def dsp_estimation(self, fpgapart: str) -> int:
        """One a channel of a beat, and one for the product of wide factors."""
        row_bits, column_bits, bits = self.factor_bits
        lanes = self.pe * product_dsps(self.get_input_datatype(0).bitwidth() + 1, bits + 1)
        return lanes + product_dsps(row_bits, column_bits)

    def lut_estimation(self, fpgapart: str) -> int:
        """Counters, tables of factors, and the output buffer."""
        places = (*self.image_dim, self.get_nodeattr("NumChannels") // self.pe)
        counters = sum((place - 1).bit_length() for place in places)
        tables = sum(dense_rom_luts(len(each), _varying_bits(each)) for each in self.factors)
        return counters + tables + 5 + fifo2_luts(self.get_outstream_width(0))


def _varying_bits(factors: list[int]) -> int:
    """Bits in which some of them differ."""
    return (int(np.bitwise_or.reduce(factors)) ^ int(np.bitwise_and.reduce(factors))).bit_count()
