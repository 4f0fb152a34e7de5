"""Depthwise KxK convolution, stride 1, zero padding K//2, thresholds, and optionally a fused residual sum.

acc[y, x, c] = sum over i, j of W[c, i, j] * X[y + i - K//2, x + j - K//2, c]     (zero outside the image)
n = number of T[c] entries <= acc
Residual = 0: Y = LowestCode + n
Residual = 1: Y = LowestCode + number of T_sum[c] entries <= X[y, x, c] + ConvLowestCode + n
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from hw_build.base.errors import ConfigError
from hw_build.kernels.depthwise.cost import ColumnsCost, WindowCost
from hw_build.kernels.fabric import SERIES_7, Fabric, fabric_of
from hw_build.kernels.lines import (
    NO_SHIFT,
    REQUANTIZER_FILES,
    SUM_FILES,
    Lines,
    find_shift,
    lines_of_products,
    require_lines,
    require_shift,
)
from hw_build.kernels.literals import packed_literal, signed_bits
from hw_build.kernels.multi_threshold import check_codes, multi_threshold, search_parameters
from hw_build.kernels.products import product_range
from hw_build.kernels.row_memory import ROW_MEMORY, RowMemoryKernel
from hw_build.kernels.rows import Rows, window_rows
from hw_build.kernels.stream_kernel import check_constant, own_files, shared_files

if TYPE_CHECKING:
    from hw_build.kernels.base import RtlInstance

COLUMN_FILES = shared_files(
    ROW_MEMORY, *REQUANTIZER_FILES, "lib/adder_tree.sv", "lib/thresholds_serial.sv", *SUM_FILES
) + own_files(__file__, "depthwise_columns.sv")
WINDOW_FILES = shared_files(
    ROW_MEMORY, *REQUANTIZER_FILES, *SUM_FILES, "lib/weight_table.sv", "lib/adder_tree.sv", "lib/dot_tables.sv",
    "stream/sliding_window.sv",
) + own_files(__file__, "depthwise.sv")  # fmt: skip
LUT_ROM_DEPTH = 256  # up to here a LUT6 holds 64 bits; beyond, Yosys takes several times as many LUTs


def depthwise_accumulate(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Zero-padded depthwise convolution in int64: x (N, H, W, C), weights (C, K, K) -> (N, H, W, C)."""
    height, width = x.shape[1:3]
    kernel = weights.shape[1]
    pad = kernel // 2
    padded = np.pad(x.astype(np.int64), ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    acc = np.zeros(x.shape, dtype=np.int64)
    for i in range(kernel):
        for j in range(kernel):
            acc += padded[:, i : i + height, j : j + width, :] * weights[:, i, j].astype(np.int64)
    return acc


def depthwise_reference(
    x: np.ndarray,
    weights: np.ndarray,
    thresholds: np.ndarray,
    sum_thresholds: np.ndarray | None = None,
    lowest: tuple[int, ...] = (0, 0),
) -> np.ndarray:
    """Integers out of x (N, H, W, C), weights (C, K, K), thresholds (C, n) and, with residual, (1 or C, m).

    ``lowest``: the codes of sums that pass none of the first thresholds, and none of the second ones.
    """
    out = multi_threshold(depthwise_accumulate(x, weights), thresholds, lowest[0])
    return out if sum_thresholds is None else multi_threshold(x + out, sum_thresholds, lowest[1])


class DepthwiseConv_rtl(RowMemoryKernel):
    """Inputs: x (1,H,W,C); W (C,K,K); T (C,n); with Residual=1 also T_sum (1 or C, m). PE channels a beat."""

    def get_nodeattr_types(self):
        """SIMD is the number of taps a cycle and divides KernelDim**2. LineBits: of multiplier and offset where lines
        stand in place of T, else empty; SumShift: by how much the residual sum is shifted, -1 where T_sum serves.
        ConvLowestCode and LowestCode: of a sum that passes no threshold of T, with Residual=1, and of the last ones.
        """
        attributes = super().get_nodeattr_types()
        attributes.update(
            {
                "KernelDim": ("i", True, 0),
                "SIMD": ("i", False, 1),
                "Residual": ("i", False, 0, {0, 1}),
                "LineBits": ("ints", False, []),
                "SumShift": ("i", False, NO_SHIFT),
                "ConvLowestCode": ("i", False, 0),
                "LowestCode": ("i", False, 0),
                "weightDataType": ("s", True, ""),
                "accDataType": ("s", False, "INT32"),
                "convDataType": ("s", False, "UINT4"),
                "outputDataType": ("s", True, ""),
            }
        )
        return attributes

    def folding_limits(self) -> dict[str, tuple[str, int]]:
        """SIMD taps and PE channels."""
        return {**super().folding_limits(), "SIMD": ("KernelDim * KernelDim", self.kernel_dim**2)}

    @property
    def kernel_dim(self) -> int:
        """K."""
        return self.get_nodeattr("KernelDim")

    @property
    def residual(self) -> bool:
        """Whether the pixel itself is added after the first thresholding."""
        return bool(self.get_nodeattr("Residual"))

    @property
    def conv_codes(self) -> tuple[BaseDataType, int]:
        """Type and lowest of the codes of the convolution itself: those that come out, or those that are added."""
        if self.residual:
            return DataType[self.get_nodeattr("convDataType")], self.get_nodeattr("ConvLowestCode")
        return self.get_output_datatype(0), self.get_nodeattr("LowestCode")

    @property
    def groups(self) -> int:
        """Beats of one pixel, C/PE."""
        return self.get_nodeattr("NumChannels") // self.pe

    @property
    def tap_cycles(self) -> int:
        """Cycles of one output beat, K*K/SIMD."""
        return self.kernel_dim**2 // self.get_nodeattr("SIMD")

    @property
    def by_columns(self) -> bool:
        """Whether depthwise_columns.sv serves this folding: the fewest LUTs where taps of one column make a cycle."""
        height, width = self.image_dim
        kernel, simd = self.kernel_dim, self.get_nodeattr("SIMD")
        return self.pe == 1 and kernel >= 3 and kernel % simd == 0 and width >= kernel and height > kernel // 2

    @property
    def serial(self) -> bool:
        """Whether one comparator searches all thresholds of a sum: by columns, where there is time for it."""
        has_time = self.tap_cycles >= self.conv_codes[0].bitwidth()
        return self.by_columns and has_time and not self.get_nodeattr("LineBits")

    @property
    def rom_in_block_ram(self) -> bool:
        """Whether weights and thresholds lie in block RAM: where the weights are more words than LUTs read well."""
        return self.get_nodeattr("NumChannels") * self.tap_cycles > LUT_ROM_DEPTH

    def get_input_datatype(self, ind: int = 0) -> BaseDataType:
        """x, W, T, T_sum."""
        if ind == 0:
            return super().get_input_datatype(0)
        return DataType[self.get_nodeattr({1: "weightDataType", 2: "accDataType"}.get(ind, "accDataType"))]

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Codes."""
        return DataType[self.get_nodeattr("outputDataType")]

    def get_exp_cycles(self) -> int:
        """H*W * C/PE * K*K/SIMD: no bubble between rows, nor between frames that come back to back."""
        height, width = self.image_dim
        return height * width * self.groups * self.tap_cycles

    def get_op_and_param_counts(self) -> dict[str, int]:
        """Multiply-accumulates of a frame and the number of weights, under FINN's key names."""
        height, width = self.image_dim
        macs = height * width * self.get_nodeattr("NumChannels") * self.kernel_dim**2
        x_bits, w_bits = (self.get_input_datatype(0).bitwidth(), self.get_input_datatype(1).bitwidth())
        return {
            f"op_mac_{x_bits}bx{w_bits}b": macs,
            f"param_weight_{w_bits}b": self.get_nodeattr("NumChannels") * self.kernel_dim**2,
        }

    def rows(self) -> Rows:
        """A window of K with as many zero rows around the frame as it hangs over."""
        return window_rows(self.image_dim[0], kernel=self.kernel_dim, pads=(self.kernel_dim // 2, self.kernel_dim // 2))

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``depthwise_reference``."""
        lowest = (self.conv_codes[1], self.get_nodeattr("LowestCode"))
        return [depthwise_reference(inputs[0], inputs[1], inputs[2], inputs[3] if self.residual else None, lowest)]

    def verify_node(self) -> None:
        """Folding and an odd kernel."""
        super().verify_node()
        name, kernel = self.onnx_node.name, self.kernel_dim
        if kernel < 1 or kernel % 2 == 0:
            raise ConfigError(f"{name}: KernelDim={kernel} must be odd; an even kernel has no centre pixel")
        expected = 4 if self.residual else 3
        if len(self.onnx_node.input) != expected:
            raise ConfigError(
                f"{name}: {len(self.onnx_node.input)} inputs where Residual={int(self.residual)} needs {expected}"
            )

    def _constants(self, model) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, tuple[int, int]]:
        """Checked weights, thresholds, sum thresholds and the accumulator's exact range."""
        name, channels = self.onnx_node.name, self.get_nodeattr("NumChannels")
        weights, thresholds = self.constant(model, 1), self.constant(model, 2)
        check_constant(name, "weights", weights, self.get_input_datatype(1))
        if weights.shape != (channels, self.kernel_dim, self.kernel_dim):
            raise ConfigError(f"{name}: weights have shape {weights.shape}, expected (C, K, K) of its attributes")
        if thresholds.ndim != 2 or thresholds.shape[0] != channels:
            raise ConfigError(f"{name}: thresholds have shape {thresholds.shape}, expected ({channels}, n)")
        sums = self.constant(model, 3) if self.residual else None
        check_codes(name, "convDataType" if self.residual else "outputDataType", *self.conv_codes, thresholds.shape[1])
        if sums is not None:
            if sums.ndim != 2 or sums.shape[0] not in (1, channels):
                raise ConfigError(f"{name}: sum thresholds have shape {sums.shape}, expected (1 or {channels}, m)")
            lowest = self.get_nodeattr("LowestCode")
            check_codes(name, "outputDataType", self.get_output_datatype(0), lowest, sums.shape[1])
        least, most = product_range(weights.reshape(channels, -1), self.get_input_datatype(0))
        low, high = int(least.min()), int(most.max())
        acc_type = DataType[self.get_nodeattr("accDataType")]
        if low < acc_type.min() or high > acc_type.max():
            raise ConfigError(f"{name}: the sum spans {low} to {high}, which accDataType={acc_type.name} cannot hold")
        return weights, thresholds, sums, (low, high)

    def line_attributes(self, model) -> dict[str, int | list[int]]:
        """LineBits and SumShift."""
        lines = self._lines(model)
        attributes: dict[str, int | list[int]] = {} if lines is None else {"LineBits": lines.bits}
        if self.residual:
            shift = find_shift(self.constant(model, 3), *self._sum_range, self.get_nodeattr("LowestCode"))
            attributes |= {} if shift is None else {"SumShift": shift.shift}
        return attributes

    def _lines(self, model) -> Lines | None:
        weights, table = self.constant(model, 1), self.constant(model, 2)
        return lines_of_products(table, weights, self.get_input_datatype(0), self._counted_from[0])

    @property
    def _counted_from(self) -> tuple[int, int]:
        """Lowest code of T in the RTL, and the least of its type: what is added to a pixel is a count from 0 on."""
        return (0, 0) if self.residual else (self.get_nodeattr("LowestCode"), int(self.get_output_datatype(0).min()))

    @property
    def _sum_range(self) -> tuple[int, int]:
        """Smallest and largest sum of the pixel and its filtered self."""
        x_type, (r_type, lowest) = self.get_input_datatype(0), self.conv_codes
        return int(x_type.min()) + lowest, int(x_type.max() + r_type.max())

    def rtl_instance(self, model) -> RtlInstance:
        """depthwise; weights and thresholds packed in the order in which the kernel reads them."""
        self.verify_node()
        weights, thresholds, sums, (low, high) = self._constants(model)
        channels = self.get_nodeattr("NumChannels")
        height, width = self.image_dim
        y_type, w_bits = self.get_output_datatype(0), self.get_input_datatype(1).bitwidth()
        bits, shift = self.get_nodeattr("LineBits"), self.get_nodeattr("SumShift")
        r_type, lowest = self.conv_codes[0], self.get_nodeattr("LowestCode")
        least, most = self._sum_range
        sum_bits = (most - least + 1).bit_length()
        if sums is None:
            sums = np.full((1, 1), least)  # not read by the hardware when RESIDUAL is 0
        sums = np.clip(sums, least, most + 1) - least
        parameters = {
            "HEIGHT": height,
            "WIDTH": width,
            "CHANNELS": channels,
            "K": self.kernel_dim,
            "SIMD": self.get_nodeattr("SIMD"),
            **self.input_parameters(),
            "W_BITS": w_bits,
            "R_BITS": r_type.bitwidth(),
            "RESIDUAL": int(self.residual),
            "NUM_T_SUM": sums.shape[1],
            "SUM_BITS": sum_bits,
            "SUM_ROWS": sums.shape[0],
            "Y_BITS": y_type.bitwidth(),
        } | self.row_memory_parameters()
        if bits:
            lines = require_lines(self.onnx_node.name, self._lines(model), bits)
            parameters |= {"ACC_BITS": signed_bits(low, high)} | lines.parameters()
        else:
            lanes = None if self.serial else self.pe
            parameters |= search_parameters(
                thresholds, low, high, *self._counted_from, y_bits=r_type.bitwidth(), lanes=lanes
            )
        if self.residual:
            parameters["LOWEST"] = lowest
        if shift != NO_SHIFT:
            found = require_shift(self.onnx_node.name, find_shift(sums, 0, most - least, lowest), shift)
            parameters |= {"SUM_SCALED": 1, "SUM_SHIFT": shift, "SUM_OFFSET": int(found.offset[0])}
        if self.by_columns:
            parameters |= {
                "BLOCK": int(self.rom_in_block_ram),
                "SERIAL": int(self.serial),
                "WEIGHTS": packed_literal(self._column_words(weights), w_bits),
            }
            if shift == NO_SHIFT:
                parameters["SUM_THRESHOLDS"] = packed_literal(sums, sum_bits)
            return self.instance("depthwise_columns", COLUMN_FILES, parameters)
        parameters |= {"PE": self.pe, "WEIGHTS": packed_literal(self._window_words(weights), w_bits)}
        if shift == NO_SHIFT:
            parameters["SUM_THRESHOLDS"] = packed_literal(self._lane_rows(sums), sum_bits)
        return self.instance("depthwise", WINDOW_FILES, parameters)

    def _lane_rows(self, sums: np.ndarray) -> np.ndarray:
        """(C, m) -> (PE, C/PE, m): a lane's rows in the order of its beats; (1, m) serves all lanes."""
        return sums if len(sums) == 1 else sums.reshape(self.groups, self.pe, -1).transpose(1, 0, 2)

    def _window_words(self, weights: np.ndarray) -> np.ndarray:
        """(C, K, K) -> words (C/PE, K*K/SIMD) of elements (SIMD, PE)."""
        return weights.reshape(self.groups, self.pe, self.tap_cycles, -1).transpose(0, 2, 3, 1)

    @staticmethod
    def _column_words(weights: np.ndarray) -> np.ndarray:
        """(C, K, K) -> (C, columns, positions): rows in order, but the last column begins with its newest row."""
        words = weights.transpose(0, 2, 1).copy()
        words[:, -1] = np.roll(words[:, -1], 1, axis=1)
        return words

    # ---- cost model -----------------------------------------------------------------------------------------------
    def _cost(self, fabric: Fabric = SERIES_7) -> ColumnsCost | WindowCost:
        height, width = self.image_dim
        common = {
            "fabric": fabric,
            "width": width,
            "channels": self.get_nodeattr("NumChannels"),
            "kernel": self.kernel_dim,
            "simd": self.get_nodeattr("SIMD"),
            "x_bits": self.get_input_datatype(0).bitwidth(),
            "w_bits": self.get_input_datatype(1).bitwidth(),
            "r_bits": self.conv_codes[0].bitwidth(),
            "y_bits": self.get_output_datatype(0).bitwidth(),
            "residual": self.residual,
            "ram_style": self.ram_style,
            "line_bits": tuple(self.get_nodeattr("LineBits")),
            "sum_shifted": self.get_nodeattr("SumShift") != NO_SHIFT,
        }
        if self.by_columns:
            return ColumnsCost(**common, block=self.rom_in_block_ram, serial=self.serial)
        return WindowCost(**common, height=height, pe=self.pe)

    def row_memory(self) -> tuple[int, int]:
        """(words, bits) of the memory of older rows."""
        return self._cost().rows

    def bram_estimation(self, fpgapart: str) -> int:
        """18 Kbit blocks: the row memory; by columns also weights and thresholds where they are many."""
        return self._cost(fabric_of(fpgapart)).bram18()

    def lut_estimation(self, fpgapart: str) -> int:
        """Control, window, products and their sum, tables of weights and thresholds, residual."""
        return self._cost(fabric_of(fpgapart)).luts()

    def dsp_estimation(self, fpgapart: str) -> int:
        """Those of the lines and of wide products: depthwise products share no operand, so each takes one or LUTs."""
        return self._cost(fabric_of(fpgapart)).dsps()
