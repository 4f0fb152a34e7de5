"""Quantizers as QONNX has them: inputs and attributes, in number and in kind.

Passes read attributes and inputs by name and place; what is wrong there is said here, once, with the node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.graph.editor import attribute
from hw_build.lowering.rules import QUANT, reject

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

_QUANT_INPUTS = 4  # tensor, scale, zero point, bit width


def require_quantizers(model: ModelWrapper) -> None:
    """LoweringError with the first quantizer that is not written as QONNX asks."""
    for node in model.graph.node:
        if node.op_type in QUANT and (problem := _problem(node)):
            raise reject(node, f"{problem}: export the network again")


def _problem(node: NodeProto) -> str:
    if len(node.input) != _QUANT_INPUTS or not all(node.input) or len(node.output) != 1 or not node.output[0]:
        return "must have a tensor, a scale, a zero point and a bit width as inputs, and one output"
    for name in ("signed", "narrow"):
        if attribute(node, name) not in (0, 1):
            return f"needs the attribute {name}, 0 or 1"
    if not isinstance(attribute(node, "rounding_mode", "ROUND"), str):
        return "has a rounding_mode that is no text"
    return ""
