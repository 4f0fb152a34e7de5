"""FINN's MVAU without thresholds: products of a matrix and the channels of a pixel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hw_build.base.errors import ConfigError
from hw_build.finn_rtl.node import CLOCK_PERIOD_NS, FinnNode, Folding, library, port
from hw_build.kernels.base import RtlInstance
from hw_build.kernels.rows import Rows, pointwise_rows
from hw_build.kernels.stream_kernel import RTL_DIR

if TYPE_CHECKING:
    from pathlib import Path

    from qonnx.core.modelwrapper import ModelWrapper

DSP48E1_A_BITS = 25


def dsp_lanes(weight_bits: int, activation_bits: int) -> int:
    """Products per DSP48E1 and cycle for narrow-range weights, as FINN's mvu.sv packs them into the 25-bit A port."""
    return 1 + (DSP48E1_A_BITS - weight_bits) // (weight_bits + activation_bits - 1)


def weight_words(tensor: np.ndarray, bits: int) -> str:
    """Weights (1, PE, words, SIMD), last column first, as FINN's memory holds them: a word of hex digits a line.

    The lowest ``bits`` of a word are the first weight of lane 0. FINN's own ``make_weight_file`` writes the same weight
    by weight, which takes minutes where a network has a million.
    """
    words = tensor[0].transpose(1, 0, 2)[:, ::-1].reshape(tensor.shape[2], -1)  # most significant first
    planes = (words.astype(np.int64)[:, :, None] >> np.arange(bits)[::-1]) & 1
    lines = planes.reshape(len(words), -1).astype(np.uint8)
    lines = np.pad(lines, ((0, 0), (-lines.shape[1] % 8, 0)))
    digits = -(-words.shape[1] * bits // 4)
    return "".join(f"{line.tobytes().hex()[-digits:]}\n" for line in np.packbits(lines, axis=1))


class MatrixVector(FinnNode):
    """numInputVectors is [1, H, W]."""

    name = "MVAU"

    def rtl_instance(self, model: ModelWrapper, code_gen_dir: Path, fpga_part: str) -> RtlInstance:
        """MVAU_rtl without activation: FINN's mvu_vvu_axi fed from our weight ROM (mvau_stream.sv)."""
        op = self.operation
        name = op.onnx_node.name
        if not op.get_nodeattr("noActivation"):
            raise ConfigError(f"{name}: MVAU_rtl must have noActivation=1: give the thresholds a Thresholding_rtl node")
        for attribute, required in (("pumpedCompute", 0), ("TH", 1), ("runtime_writeable_weights", 0)):
            if op.get_nodeattr(attribute) != required:
                raise ConfigError(
                    f"{name}: {attribute}={op.get_nodeattr(attribute)} is not supported, set it to {required}"
                )
        weights = model.get_initializer(op.onnx_node.input[1])
        if weights is None:
            raise ConfigError(
                f"{name}: its weights are not constant, so no ROM can hold them: make them an initializer"
            )
        weight_type = op.get_input_datatype(1)
        if not all(weight_type.allowed(value) for value in np.unique(weights)):
            raise ConfigError(
                f"{name}: weights {weights.min():g} to {weights.max():g} do not fit {weight_type}: lower the graph "
                "again"
            )
        values = {k.strip("$"): v[0] for k, v in op.prepare_codegen_default(fpga_part, CLOCK_PERIOD_NS)[1].items()}
        kept = (
            "VERSION",
            "MW",
            "MH",
            "PE",
            "SIMD",
            "ACTIVATION_WIDTH",
            "WEIGHT_WIDTH",
            "ACCU_WIDTH",
            "SIGNED_ACTIVATIONS",
        )
        weight_file = code_gen_dir / f"{name}_weights.dat"
        weight_file.write_text(weight_words(op.get_hw_compatible_weight_tensor(weights), weight_type.bitwidth()))
        parameters = {key: values[key] for key in kept}
        parameters["NARROW_WEIGHTS"] = str(int(weights.min() > weight_type.min()))
        parameters["WEIGHT_FILE"] = f'"{weight_file}"'
        parameters["RAM_STYLE"] = f'"{op.get_nodeattr("ram_style")}"'
        return RtlInstance(
            module="mvau_stream",
            clock="ap_clk",
            reset_n="ap_rst_n",
            inputs=(port("s_axis", op.get_nodeattr("SIMD"), op.get_input_datatype(0).bitwidth()),),
            outputs=(port("m_axis", op.get_nodeattr("PE"), op.get_output_datatype().bitwidth()),),
            files=(
                *library(
                    "mvu/mvu_pkg.sv", "mvu/replay_buffer.sv", "mvu/mvu.sv", "mvu/mvu_vvu_8sx9_dsp58.sv",
                    "mvu/mvu_vvu_axi.sv",
                ),
                RTL_DIR / "finn" / "add_multi.sv",
                RTL_DIR / "stream" / "weight_rom.sv",
                RTL_DIR / "finn" / "mvau_stream.sv",
                weight_file,
            ),
            parameters=parameters,
            origin="finn",
        )  # fmt: skip

    def rows(self) -> Rows:
        """Each its own."""
        return pointwise_rows(self.operation.get_nodeattr("numInputVectors")[1])

    def resize(self, size: tuple[int, int]) -> tuple[int, int]:
        """The same."""
        self.operation.set_nodeattr("numInputVectors", [1, *size])
        return size

    def folding_limits(self) -> dict[str, tuple[str, int]]:
        """SIMD of a window, PE outputs."""
        return {"SIMD": self.whole("MW"), "PE": self.whole("MH")}

    def folding_cost(self, folding: Folding) -> tuple[int, ...]:
        """DSPs, then products."""
        op, pe, simd = self.operation, int(folding.get("PE", 1)), int(folding.get("SIMD", 1))
        lanes = dsp_lanes(op.get_input_datatype(1).bitwidth(), op.get_input_datatype(0).bitwidth())
        return (simd * math.ceil(pe / lanes), pe * simd)
