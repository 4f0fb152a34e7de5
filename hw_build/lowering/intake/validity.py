"""Nodes as their operators have them: inputs and attributes, in number and in kind.

Passes read attributes and inputs by name and place; what is wrong there is said here, once, with the node.
"""

from __future__ import annotations

from onnx import NodeProto, checker, defs
from qonnx.core.modelwrapper import ModelWrapper

from hw_build.errors import LoweringError
from hw_build.lowering.graph import attribute, label
from hw_build.lowering.rules import ONNX_DOMAINS, QUANT, is_known

_QUANT_INPUTS = 4  # tensor, scale, zero point, bit width


def refuse_malformed(model: ModelWrapper) -> None:
    """LoweringError with the first node of a known operator that is not written as its operator asks."""
    context = checker.C.CheckerContext()
    context.ir_version = model.model.ir_version
    versions = {entry.domain: entry.version for entry in model.model.opset_import}
    context.opset_imports = {"": versions.get("", versions.get("ai.onnx", 1))}
    for node in model.graph.node:
        problem = _of_quantizer(node) if node.op_type in QUANT else _of_operator(node, context)
        if problem:
            raise LoweringError(f"node {label(node)} ({node.op_type}) {problem}: export the network again")


def _of_operator(node: NodeProto, context: checker.C.CheckerContext) -> str:
    if node.domain not in ONNX_DOMAINS or not is_known(node) or not defs.has(node.op_type, node.domain):
        return ""
    try:
        checker.check_node(node, context)
    except checker.ValidationError as error:
        return f"is not what ONNX takes for one ({str(error).splitlines()[0]})"
    return "" if node.output and node.output[0] else "writes no tensor"


def _of_quantizer(node: NodeProto) -> str:
    if len(node.input) != _QUANT_INPUTS or not all(node.input) or len(node.output) != 1 or not node.output[0]:
        return "must have a tensor, a scale, a zero point and a bit width as inputs, and one output"
    for name in ("signed", "narrow"):
        if attribute(node, name) not in (0, 1):
            return f"needs the attribute {name}, 0 or 1"
    if not isinstance(attribute(node, "rounding_mode", "ROUND"), str):
        return "has a rounding_mode that is no text"
    return ""
