"""Dense KxK convolution, stride 1, zero padding K//2, with its thresholds or its bias: one kernel for the whole layer.

acc[y, x, o] = sum over i, j, c of W[o, i, j, c] * X[y + i - K//2, x + j - K//2, c]     (zero outside the image)
Raw = 0: Y = LowestCode + number of T[o] entries <= acc;   Raw = 1: Y = acc + B[o]
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType

from hw_build.base.errors import ConfigError
from hw_build.kernels.conv.cost import ConvShape
from hw_build.kernels.fabric import SERIES_7, Fabric, fabric_of
from hw_build.kernels.lines import REQUANTIZER_FILES, Lines, lines_of_products, require_lines
from hw_build.kernels.literals import packed_literal, signed_bits
from hw_build.kernels.multi_threshold import check_codes, multi_threshold, search_parameters
from hw_build.kernels.products import product_range
from hw_build.kernels.row_memory import ROW_MEMORY, RowMemoryKernel
from hw_build.kernels.rows import Rows, window_rows
from hw_build.kernels.stream_kernel import check_constant, divisors, own_files, shared_files

if TYPE_CHECKING:
    from hw_build.kernels.base import RtlInstance

FILES = shared_files(
    ROW_MEMORY, *REQUANTIZER_FILES, "lib/weight_table.sv", "lib/adder_tree.sv", "lib/dot_tables.sv",
    "stream/stream_fifo.sv", "stream/sliding_window.sv",
) + own_files(
    __file__,
    "conv_window.sv", "conv_window_parallel.sv", "mac_array.sv", "mac_tables.sv", "conv.sv",
)  # fmt: skip


def conv_accumulate(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Zero-padded convolution in int64: x (N, H, W, C), weights (O, K, K, C) -> (N, H, W, O)."""
    height, width = x.shape[1:3]
    kernel = weights.shape[1]
    pad = kernel // 2
    padded = np.pad(x.astype(np.int64), ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    acc = np.zeros((*x.shape[:3], len(weights)), dtype=np.int64)
    for i in range(kernel):
        for j in range(kernel):
            acc += padded[:, i : i + height, j : j + width, :] @ weights[:, i, j].astype(np.int64).T
    return acc


def conv_reference(x: np.ndarray, weights: np.ndarray, table: np.ndarray, *, raw: bool, lowest: int = 0) -> np.ndarray:
    """Integers out of x (N, H, W, C), weights (O, K, K, C) and thresholds (O, n) or, raw, bias (O,)."""
    acc = conv_accumulate(x, weights)
    return acc + table if raw else multi_threshold(acc, table, lowest)


@dataclass(frozen=True, kw_only=True)
class _Sums:
    """What the weights make of any input: the range of whole sums, and the bits of one input lane's."""

    low: int
    high: int
    lane_bits: int


class ConvThreshold_rtl(RowMemoryKernel):
    """Inputs: x (1,H,W,C); W (O,K,K,C); T (O,n) or, with Raw=1, B (O,). SIMD channels a beat in, PE sums at a time."""

    def get_nodeattr_types(self):
        """PE divides OutChannels, SIMD divides NumChannels.

        Window: the taps of these channels one a cycle, or all at once. Multiplier: DSP48E1, or tables in LUTs.
        NarrowWeights: the smallest value of weightDataType does not occur, so that two sums can share a DSP48E1.
        LineBits: of multiplier and offset where lines stand in place of thresholds, else empty. LowestCode: of a sum
        that passes no threshold. weight_style: ``auto`` puts weights in block RAM where one or two blocks hold a word,
        ``block`` all of a large layer's.
        """
        attributes = super().get_nodeattr_types()
        attributes.update(
            {
                "OutChannels": ("i", True, 0),
                "KernelDim": ("i", True, 0),
                "SIMD": ("i", False, 1),
                "Window": ("s", False, "serial", {"serial", "parallel"}),
                "Multiplier": ("s", False, "dsp", {"dsp", "lut"}),
                "weight_style": ("s", False, "auto", {"auto", "block"}),
                "NarrowWeights": ("i", False, 0, {0, 1}),
                "Raw": ("i", False, 0, {0, 1}),
                "LowestCode": ("i", False, 0),
                "LineBits": ("ints", False, []),
                "weightDataType": ("s", True, ""),
                "accDataType": ("s", False, "INT32"),
                "outputDataType": ("s", True, ""),
            }
        )
        return attributes

    @property
    def kernel_dim(self) -> int:
        """K."""
        return self.get_nodeattr("KernelDim")

    @property
    def simd(self) -> int:
        """Input channels a beat."""
        return self.get_nodeattr("SIMD")

    @property
    def parallel(self) -> bool:
        """Whether all taps of a window are there at once."""
        return self.get_nodeattr("Window") == "parallel"

    @property
    def products(self) -> int:
        """Products a cycle of each sum."""
        return self.simd * (self.kernel_dim**2 if self.parallel else 1)

    @property
    def raw(self) -> bool:
        """Whether the sums themselves come out, plus a bias."""
        return bool(self.get_nodeattr("Raw"))

    @property
    def pass_cycles(self) -> int:
        """Cycles in which PE sums grow: K*K * C/SIMD, or C/SIMD with a parallel window."""
        return self.kernel_dim**2 * self.get_nodeattr("NumChannels") // self.products

    @property
    def lanes(self) -> int:
        """Output channels a beat: the fewest that read PE sums out while the next ones grow."""
        return next(lanes for lanes in divisors(self.pe) if self.pe // lanes <= self.pass_cycles)

    def folding_limits(self) -> dict[str, tuple[str, int]]:
        """PE divides the output channels, SIMD the input channels."""
        return {
            "PE": ("OutChannels", self.get_nodeattr("OutChannels")),
            "SIMD": ("NumChannels", self.get_nodeattr("NumChannels")),
        }

    def folding_choices(self, fabric: Fabric) -> dict[str, tuple[int | str, ...]]:
        """How the taps come and where rows lie, which a 1x1 has no choice of, and what multiplies."""
        choices = {"Window": ("serial", "parallel")} | super().folding_choices(fabric)
        if self.kernel_dim == 1:
            choices = {key: values[:1] for key, values in choices.items()}
        return choices | {"Multiplier": ("dsp", "lut"), "weight_style": ("auto", "block")}

    def folding_conflict(self, folding: dict[str, int | str]) -> str | None:
        """Weights in block RAM, where asked for: read by multipliers, large, and in words that fill its blocks."""
        if folding.get("weight_style") != "block":
            return super().folding_conflict(folding)
        if folding["Multiplier"] == "lut":
            return "weight_style=block needs Multiplier=dsp: tables hold the weights in LUTs"
        shape = replace(
            self._shape(), pe=int(folding["PE"]), simd=int(folding["SIMD"]), parallel=folding["Window"] == "parallel"
        )
        if shape.weights_fill_blocks:
            return super().folding_conflict(folding)
        words, bits = shape.weight_memory
        return (
            f"weight_style=block for {words:,} words of {bits:,} bits would leave most of the block RAM empty: choose "
            "a smaller PE or SIMD, or weight_style=auto"
        )

    def folding_cost(self, folding: dict[str, int | str]) -> tuple[int, ...]:
        """Products of a cycle."""
        taps = self.kernel_dim**2 if folding.get("Window") == "parallel" else 1
        return (0, int(folding.get("PE", 1)) * int(folding.get("SIMD", 1)) * taps)

    def output_channels(self) -> int:
        """O."""
        return self.get_nodeattr("OutChannels")

    def input_elements(self, ind: int = 0) -> int:
        """SIMD."""
        return self.simd

    def output_elements(self) -> int:
        """Lanes."""
        return self.lanes

    def get_input_datatype(self, ind: int = 0) -> BaseDataType:
        """x, W, then T or B."""
        if ind == 0:
            return super().get_input_datatype(0)
        return DataType[self.get_nodeattr("weightDataType" if ind == 1 else "accDataType")]

    def get_output_datatype(self, ind: int = 0) -> BaseDataType:
        """Codes, or sums."""
        return DataType[self.get_nodeattr("outputDataType")]

    def get_exp_cycles(self) -> int:
        """H*W * O/PE * cycles of a pass: no bubble between pixels, rows or frames that come back to back."""
        height, width = self.image_dim
        return height * width * (self.output_channels() // self.pe) * self.pass_cycles

    def get_op_and_param_counts(self) -> dict[str, int]:
        """Multiply-accumulates of a frame and the number of weights, under FINN's key names."""
        height, width = self.image_dim
        weights = self.output_channels() * self.kernel_dim**2 * self.get_nodeattr("NumChannels")
        x_bits, w_bits = self.get_input_datatype(0).bitwidth(), self.get_input_datatype(1).bitwidth()
        return {f"op_mac_{x_bits}bx{w_bits}b": height * width * weights, f"param_weight_{w_bits}b": weights}

    def rows(self) -> Rows:
        """A window of K with as many zero rows around the frame as it hangs over."""
        return window_rows(self.image_dim[0], kernel=self.kernel_dim, pads=(self.kernel_dim // 2, self.kernel_dim // 2))

    def compute(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        """``conv_reference``."""
        return [conv_reference(*inputs, raw=self.raw, lowest=self.get_nodeattr("LowestCode"))]

    def verify_node(self) -> None:
        """Folding and an odd kernel."""
        super().verify_node()
        name, kernel = self.onnx_node.name, self.kernel_dim
        if kernel < 1 or kernel % 2 == 0:
            raise ConfigError(f"{name}: KernelDim={kernel} must be odd; an even kernel has no centre pixel")
        if len(self.onnx_node.input) != 3:
            raise ConfigError(f"{name}: {len(self.onnx_node.input)} inputs where x, weights and a table are needed")

    # ---- RTL ------------------------------------------------------------------------------------------------------
    def _constants(self, model) -> tuple[np.ndarray, np.ndarray, _Sums]:
        """Checked weights, thresholds or bias, and what sums they make."""
        name, channels, outputs = self.onnx_node.name, self.get_nodeattr("NumChannels"), self.output_channels()
        weights, table = self.constant(model, 1), self.constant(model, 2)
        check_constant(name, "weights", weights, self.get_input_datatype(1))
        if self.get_nodeattr("NarrowWeights") and weights.min() == self.get_input_datatype(1).min():
            raise ConfigError(f"{name}: NarrowWeights=1, but weight {weights.min()} occurs; set it to 0")
        if weights.shape != (outputs, self.kernel_dim, self.kernel_dim, channels):
            raise ConfigError(f"{name}: weights have shape {weights.shape}, expected (O, K, K, C) of its attributes")
        if table.ndim != (1 if self.raw else 2) or table.shape[0] != outputs:
            what = "bias" if self.raw else "thresholds"
            raise ConfigError(f"{name}: {what} of shape {table.shape}, expected {outputs} rows, one a channel")
        y_type = self.get_output_datatype(0)
        if not self.raw:
            check_codes(name, "outputDataType", y_type, self.get_nodeattr("LowestCode"), table.shape[1])
        sums = self._sums(weights)
        if self.raw and (sums.low + table.min() < y_type.min() or sums.high + table.max() > y_type.max()):
            raise ConfigError(
                f"{name}: sum plus bias spans {sums.low + table.min()} to {sums.high + table.max()}, which "
                f"{y_type.name} cannot hold; widen outputDataType"
            )
        return weights, table, sums

    def line_attributes(self, model) -> dict[str, int | list[int]]:
        """LineBits."""
        lines = None if self.raw else self._lines(model)
        return {} if lines is None else {"LineBits": lines.bits}

    def _lines(self, model) -> Lines | None:
        weights, table = self.constant(model, 1), self.constant(model, 2)
        return lines_of_products(table, weights, self.get_input_datatype(0), self.get_nodeattr("LowestCode"))

    def _sums(self, weights: np.ndarray) -> _Sums:
        lanes = self._ordered(weights).swapaxes(2, 3)  # (O/PE, PE, products, cycles of a pass)
        low, high = product_range(lanes, self.get_input_datatype(0))  # (O/PE, PE, products)
        return _Sums(
            low=int(low.sum(axis=2).min()),
            high=int(high.sum(axis=2).max()),
            lane_bits=signed_bits(int(low.min()), int(high.max())),
        )

    def _ordered(self, weights: np.ndarray) -> np.ndarray:
        """(O, K, K, C) -> (O/PE, PE, cycles of a pass, products a cycle), in the order in which the window comes."""
        outputs, taps, groups = len(weights), self.kernel_dim**2, self.get_nodeattr("NumChannels") // self.simd
        if self.parallel:
            weights = weights.reshape(outputs, taps, groups, self.simd).transpose(0, 2, 1, 3)
        return weights.reshape(-1, self.pe, self.pass_cycles, self.products)

    def _weight_words(self, weights: np.ndarray) -> np.ndarray:
        """(O/PE, cycles of a pass, products, PE): a word a step; odd weights give their even neighbour's borrow."""
        words = self._ordered(weights).transpose(0, 2, 3, 1).copy()
        if self._shape().packs:
            pairs = self.pe // 2
            words[..., 1 : 2 * pairs : 2] -= words[..., 0 : 2 * pairs : 2] < 0
        return words

    def rtl_instance(self, model) -> RtlInstance:
        """conv; weights, thresholds or bias packed in the order in which the kernel reads them."""
        self.verify_node()
        weights, table, sums = self._constants(model)
        shape = self._shape()
        height, width = self.image_dim
        w_bits, y_bits = self.get_input_datatype(1).bitwidth(), self.get_output_datatype(0).bitwidth()
        bias = table if self.raw else np.zeros(len(weights), np.int64)
        parameters = {
            "HEIGHT": height,
            "WIDTH": width,
            "IN_CHANNELS": self.get_nodeattr("NumChannels"),
            "OUT_CHANNELS": self.output_channels(),
            "K": self.kernel_dim,
            "SIMD": self.simd,
            "PE": self.pe,
            "LANES": self.lanes,
            **self.input_parameters(),
            "W_BITS": w_bits,
            "SUM_BITS": sums.lane_bits,
            "Y_BITS": y_bits,
            "RAW": int(self.raw),
            "PARALLEL": int(self.parallel),
            "TABLES": int(shape.tables),
            "PACKED": int(shape.packs),
            "WEIGHT_BLOCK": int(shape.weights_in_block_ram),
            "WEIGHTS": packed_literal(self._weight_words(weights), w_bits),
            "BIAS": packed_literal(bias, y_bits),
        } | self.row_memory_parameters()
        if self.raw:
            parameters["ACC_BITS"] = signed_bits(sums.low, sums.high)
        elif self.get_nodeattr("LineBits"):
            lines = require_lines(self.onnx_node.name, self._lines(model), self.get_nodeattr("LineBits"))
            parameters |= {"ACC_BITS": signed_bits(sums.low, sums.high)} | lines.parameters()
        else:
            lowest = self.get_nodeattr("LowestCode")
            least = int(self.get_output_datatype(0).min())
            parameters |= search_parameters(table, sums.low, sums.high, lowest, least, y_bits=y_bits, lanes=self.lanes)
        return self.instance("conv", FILES, parameters)

    # ---- cost model -----------------------------------------------------------------------------------------------
    def _shape(self, fabric: Fabric = SERIES_7) -> ConvShape:
        height, width = self.image_dim
        return ConvShape(
            fabric=fabric,
            height=height,
            width=width,
            in_channels=self.get_nodeattr("NumChannels"),
            out_channels=self.output_channels(),
            kernel=self.kernel_dim,
            simd=self.simd,
            pe=self.pe,
            lanes=self.lanes,
            x_bits=self.get_input_datatype(0).bitwidth(),
            x_signed=self.get_input_datatype(0).signed(),
            w_bits=self.get_input_datatype(1).bitwidth(),
            y_bits=self.get_output_datatype(0).bitwidth(),
            raw=self.raw,
            parallel=self.parallel,
            tables=self.get_nodeattr("Multiplier") == "lut",
            narrow=bool(self.get_nodeattr("NarrowWeights")),
            ram_style=self.ram_style,
            weight_style=self.get_nodeattr("weight_style"),
            line_bits=tuple(self.get_nodeattr("LineBits")),
        )

    def row_memory(self) -> tuple[int, int]:
        """(words, bits) of the memory of pixels."""
        return self._shape().rows

    def bram_estimation(self, fpgapart: str) -> int:
        """18 Kbit blocks: the rows of pixels, and the weights where they are better off there."""
        return self._shape(fabric_of(fpgapart)).bram18()

    def lut_estimation(self, fpgapart: str) -> int:
        """Control, weight and threshold tables, products without multipliers, and the read-out of the sums."""
        return self._shape(fabric_of(fpgapart)).luts()

    def dsp_estimation(self, fpgapart: str) -> int:
        """One multiplier for each input and pair of sums, for each sum where they are too wide to share one; lines'."""
        return self._shape(fabric_of(fpgapart)).multipliers()
