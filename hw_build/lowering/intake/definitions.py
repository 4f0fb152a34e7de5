"""Nodes of the standard that break their operator's own definition: too few inputs, an attribute of another type.

onnx' checker knows the definitions. What is no operator of the standard is left to `hw_build.lowering.rules`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import NodeProto, checker, defs

from hw_build.base.errors import LoweringError
from hw_build.lowering.intake.opset import LEAST_OPSET
from hw_build.lowering.rules import ONNX_DOMAINS, reject

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper


def require_definitions(model: ModelWrapper) -> None:
    """LoweringError where a node is not as the standard defines it, or the standard is newer than onnx knows."""
    versions = {entry.domain: entry.version for entry in model.model.opset_import}
    version = next((versions[domain] for domain in ONNX_DOMAINS if domain in versions), LEAST_OPSET)
    newest = defs.onnx_opset_version()
    if not 1 <= version <= newest:
        raise LoweringError(
            f"the network is of opset {version}, but onnx knows 1 to {newest}: export it with opset {LEAST_OPSET} to "
            f"{newest}"
        )
    context = checker.C.CheckerContext()
    context.ir_version, context.opset_imports = model.model.ir_version, {"": version}
    for node in model.graph.node:
        if node.domain in ONNX_DOMAINS and defs.has(node.op_type, ""):
            _require(node, context)


def _require(node: NodeProto, context: checker.C.CheckerContext) -> None:
    try:
        checker.check_node(node, context)
    except checker.ValidationError as error:
        why = str(error).splitlines()[0].strip()
        raise reject(node, f"is not as ONNX defines it ({why}): export the network again") from None
    if not node.output or not node.output[0]:
        raise reject(node, "writes no tensor: export the network again")
