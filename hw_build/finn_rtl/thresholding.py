"""FINN's Thresholding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError
from hw_build.finn_rtl.node import FinnNode, library, port
from hw_build.kernels.base import RtlInstance
from hw_build.kernels.rows import Rows, pointwise_rows

if TYPE_CHECKING:
    from pathlib import Path

    from qonnx.core.modelwrapper import ModelWrapper


class Thresholding(FinnNode):
    """numInputVectors is [1, H, W]."""

    name = "Thresholding"

    def rtl_instance(self, model: ModelWrapper, code_gen_dir: Path, fpga_part: str) -> RtlInstance:
        """Thresholding_rtl: thresholding_axi without AXI-Lite; one contents file per PE and stage of the search."""
        op = self.operation
        values = {k.strip("$"): v[0] for k, v in op.prepare_codegen_rtl_values(model).items()}
        dropped = ("MODULE_NAME_AXI_WRAPPER", "TOP_MODULE", "O_BITS", "THRESHOLDS_PATH")
        parameters = {k: v for k, v in values.items() if k not in dropped}
        parameters["THRESHOLDS_PATH"] = f'"{code_gen_dir}/{op.onnx_node.name}_"'
        output_bits = op.get_output_datatype().bitwidth()
        if int(values["O_BITS"]) != output_bits:
            raise ConfigError(
                f"{op.onnx_node.name}: {values['N']} thresholds give {values['O_BITS']} bits, its output datatype "
                f"{op.get_output_datatype()} has {output_bits}: make them agree"
            )
        pe, stages = op.get_nodeattr("PE"), range(output_bits)
        contents = [code_gen_dir / f"{op.onnx_node.name}_threshs_{p}_{s}.dat" for s in stages for p in range(pe)]
        return RtlInstance(
            module="thresholding_axi",
            clock="ap_clk",
            reset_n="ap_rst_n",
            inputs=(port("s_axis", pe, op.get_input_datatype(0).bitwidth()),),
            outputs=(port("m_axis", pe, output_bits),),
            files=(
                *library(
                    "axi/hdl/axilite.sv", "thresholding/hdl/thresholding.sv", "thresholding/hdl/thresholding_axi.sv"
                ),
                *contents,
            ),
            parameters=parameters,
            origin="finn",
        )

    def rows(self) -> Rows:
        """Each its own."""
        return pointwise_rows(self.operation.get_nodeattr("numInputVectors")[1])

    def resize(self, size: tuple[int, int]) -> tuple[int, int]:
        """The same."""
        self.operation.set_nodeattr("numInputVectors", [1, *size])
        return size

    def folding_limits(self) -> dict[str, tuple[str, int]]:
        """PE channels a beat."""
        return {"PE": self.whole("NumChannels")}
