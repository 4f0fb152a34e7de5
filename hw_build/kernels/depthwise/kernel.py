"""Depthwise KxK convolution, stride 1, zero padding K//2, thresholds, and optionally a fused residual sum.

acc[y, x, c] = sum over i, j of W[c, i, j] * X[y + i - K//2, x + j - K//2, c]     (zero outside the image)
r = number of T[c] entries <= acc
Residual = 0: Y = r;   Residual = 1: Y = number of T_sum[c] entries <= X[y, x, c] + r
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from hw_build.base.errors import ConfigError
from hw_build.kernels.depthwise.cost import ColumnsCost, WindowCost
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
from hw_build.kernels.multi_threshold import multi_threshold
from hw_build.kernels.row_memory import RowMemoryKernel
from hw_build.kernels.rows import Rows, window_rows
from hw_build.kernels.stream_kernel import check_constant, own_files, shared_files

if TYPE_CHECKING:
    from hw_build.kernels.base import RtlInstance

COLUMN_FILES = shared_files(
    *REQUANTIZER_FILES, "lib/adder_tree.sv", "lib/thresholds_serial.sv", *SUM_FILES
) + own_files(__file__, "depthwise_columns.sv")
WINDOW_FILES = shared_files(
    *REQUANTIZER_FILES, *SUM_FILES, "lib/weight_table.sv", "lib/adder_tree.sv", "lib/dot_tables.sv",
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
    x: np.ndarray, weights: np.ndarray, thresholds: np.ndarray, sum_thresholds: np.ndarray | None = None
) -> np.ndarray:
    """Integers out of x (N, H, W, C), weights (C, K, K), thresholds (C, n) and, with residual, (1 or C, m)."""
    out = multi_threshold(depthwise_accumulate(x, weights), thresholds)
    return out if sum_thresholds is None else multi_threshold(x + out, sum_thresholds)


class DepthwiseConv_rtl(RowMemoryKernel):
    """Inputs: x (1,H,W,C); W (C,K,K); T (C,n); with Residual=1 also T_sum (1 or C, m). PE channels a beat."""

    def get_nodeattr_types(self):
        """SIMD is the number of taps a cycle and divides KernelDim**2. LineBits: of multiplier and offset where lines
        stand in place of T, else empty; SumShift: by how much the residual sum is shifted, -1 where T_sum serves.
        """
        attributes = super().get_nodeattr_types()
        attributes.update(
            {
                "KernelDim": ("i", True, 0),
                "SIMD": ("i", False, 1),
                "Residual": ("i", False, 0, {0, 1}),
                "LineBits": ("ints", False, []),
                "SumShift": ("i", False, NO_SHIFT),
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
    def rom_in_block_ram(self) -> bool:
        """Whether weights and thresholds lie in block RAM: where the weights are more words than LUTs read well."""
        return self.get_nodeattr("NumChannels") * self.tap_cycles > LUT_ROM_DEPTH

    def get_input_datatype(self, ind: int = 0) -> BaseDataType:
        """x, W, T, T_sum."""
        if ind == 0:
            return super().get_input_datatype(0)
        return DataType[self.get_nodeattr({1: "weightDataType", 2: "accDataType"}.get(ind, "accDataType"))]

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Unsigned codes: the number of thresholds passed."""
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
        return [depthwise_reference(inputs[0], inputs[1], inputs[2], inputs[3] if self.residual else None)]

    def verify_node(self) -> None:
        """Folding, an odd kernel and unsigned activations."""
        super().verify_node()
        name, kernel = self.onnx_node.name, self.kernel_dim
        if kernel < 1 or kernel % 2 == 0:
            raise ConfigError(f"{name}: KernelDim={kernel} must be odd; an even kernel has no centre pixel")
        for attribute in ("inputDataType", "convDataType", "outputDataType"):
            if DataType[self.get_nodeattr(attribute)].signed():
                raise ConfigError(
                    f"{name}: {attribute}={self.get_nodeattr(attribute)} is signed; depthwise takes and gives "
                    "unsigned codes, so put a ReLU quantizer before it"
                )
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
        limits = {"outputDataType": thresholds}
        if sums is not None:
            if sums.ndim != 2 or sums.shape[0] not in (1, channels):
                raise ConfigError(f"{name}: sum thresholds have shape {sums.shape}, expected (1 or {channels}, m)")
            limits = {"convDataType": thresholds, "outputDataType": sums}
        for attribute, table in limits.items():
            if table.shape[1] > DataType[self.get_nodeattr(attribute)].max():
                raise ConfigError(
                    f"{name}: {table.shape[1]} thresholds count past {attribute}={self.get_nodeattr(attribute)}; "
                    "widen it"
                )
        x_max = int(self.get_input_datatype(0).max())
        flat = weights.reshape(channels, -1)
        low = int(np.minimum(flat, 0).sum(axis=1).min()) * x_max
        high = int(np.maximum(flat, 0).sum(axis=1).max()) * x_max
        acc_type = DataType[self.get_nodeattr("accDataType")]
        if low < acc_type.min() or high > acc_type.max():
            raise ConfigError(f"{name}: the sum spans {low} to {high}, which accDataType={acc_type.name} cannot hold")
        return weights, thresholds, sums, (low, high)

    def line_attributes(self, model) -> dict[str, int | list[int]]:
        """LineBits and SumShift."""
        lines = self._lines(model)
        attributes: dict[str, int | list[int]] = {} if lines is None else {"LineBits": lines.bits}
        if self.residual:
            shift = find_shift(self.constant(model, 3), self._sum_max)
            attributes |= {} if shift is None else {"SumShift": shift.shift}
        return attributes

    def _lines(self, model) -> Lines | None:
        weights, table = self.constant(model, 1), self.constant(model, 2)
        return lines_of_products(table, weights, int(self.get_input_datatype(0).max()))

    @property
    def _sum_max(self) -> int:
        """Largest sum of the pixel and its filtered self."""
        return int(self.get_input_datatype(0).max() + DataType[self.get_nodeattr("convDataType")].max())

    def rtl_instance(self, model) -> RtlInstance:
        """depthwise; weights and thresholds packed in the order in which the kernel reads them."""
        self.verify_node()
        weights, thresholds, sums, (low, high) = self._constants(model)
        channels = self.get_nodeattr("NumChannels")
        height, width = self.image_dim
        x_type, y_type = self.get_input_datatype(0), self.get_output_datatype(0)
        w_bits = self.get_input_datatype(1).bitwidth()
        # a threshold at or below the smallest sum always counts, one above the largest never does
        clipped = np.clip(thresholds, low, high + 1)
        bits, shift = self.get_nodeattr("LineBits"), self.get_nodeattr("SumShift")
        acc_bits = signed_bits(low, high + (not bits))
        r_type = DataType[self.get_nodeattr("convDataType")] if self.residual else y_type
        sum_max = int(x_type.max() + r_type.max())
        sum_bits = (sum_max + 1).bit_length()
        if sums is None:
            sums = np.zeros((1, 1), dtype=np.int64)  # not read by the hardware when RESIDUAL is 0
        sums = np.clip(sums, 0, sum_max + 1)
        parameters = {
            "HEIGHT": height,
            "WIDTH": width,
            "CHANNELS": channels,
            "K": self.kernel_dim,
            "SIMD": self.get_nodeattr("SIMD"),
            "X_BITS": x_type.bitwidth(),
            "W_BITS": w_bits,
            "ACC_BITS": acc_bits,
            "R_BITS": r_type.bitwidth(),
            "RESIDUAL": int(self.residual),
            "NUM_T_SUM": sums.shape[1],
            "SUM_BITS": sum_bits,
            "SUM_ROWS": sums.shape[0],
            "Y_BITS": y_type.bitwidth(),
        } | self.row_memory_parameters()
        if bits:
            parameters |= require_lines(self.onnx_node.name, self._lines(model), bits).parameters()
        else:
            parameters |= {"NUM_T": thresholds.shape[1], "THRESHOLDS": packed_literal(clipped, acc_bits)}
        if shift != NO_SHIFT:
            found = require_shift(self.onnx_node.name, find_shift(sums, sum_max), shift)
            parameters |= {"SUM_SCALED": 1, "SUM_SHIFT": shift, "SUM_OFFSET": int(found.offset[0])}
        if self.by_columns:
            parameters |= {
                "BLOCK": int(self.rom_in_block_ram),
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
    def _cost(self) -> ColumnsCost | WindowCost:
        conv_type = DataType[self.get_nodeattr("convDataType")] if self.residual else self.get_output_datatype(0)
        height, width = self.image_dim
        common = {
            "width": width,
            "channels": self.get_nodeattr("NumChannels"),
            "kernel": self.kernel_dim,
            "simd": self.get_nodeattr("SIMD"),
            "x_bits": self.get_input_datatype(0).bitwidth(),
            "w_bits": self.get_input_datatype(1).bitwidth(),
            "r_bits": conv_type.bitwidth(),
            "y_bits": self.get_output_datatype(0).bitwidth(),
            "residual": self.residual,
            "ram_style": self.ram_style,
            "line_bits": tuple(self.get_nodeattr("LineBits")),
            "sum_shifted": self.get_nodeattr("SumShift") != NO_SHIFT,
        }
        if self.by_columns:
            return ColumnsCost(**common, block=self.rom_in_block_ram)
        return WindowCost(**common, height=height, pe=self.pe)

    def bram_estimation(self, fpgapart: str) -> int:
        """18 Kbit blocks: the row memory; by columns also weights and thresholds where they are many."""
        return self._cost().bram18()

    def lut_estimation(self, fpgapart: str) -> int:
        """Control, window, products and their sum, tables of weights and thresholds, residual."""
        return self._cost().luts()

    def dsp_estimation(self, fpgapart: str) -> int:
        """Those of the lines and of wide products: depthwise products share no operand, so each takes one or LUTs."""
        return self._cost().dsps()
