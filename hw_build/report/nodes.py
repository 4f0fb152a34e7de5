"""The facts of every hardware node that the report shows, read from the folded graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qonnx.custom_op.registry import getCustomOp

from hw_build.graph.editor import GraphEditor
from hw_build.kernels import DOMAIN

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper


def node_facts(model: ModelWrapper, part: str) -> list[dict[str, Any]]:
    """One dictionary per node in graph order, with the static keys of `hw_build.report.data.Node`."""
    layers = GraphEditor(model).metadata("edgeseg_node_origin", {})
    return [_facts(model, node, layers.get(node.name, node.name), part) for node in model.graph.node]


def _facts(model: ModelWrapper, node: NodeProto, layer: str, part: str) -> dict[str, Any]:
    operation = getCustomOp(node)
    attributes = operation.get_nodeattr_types()
    return {
        "name": node.name,
        "layer": layer,
        "kernel": node.op_type,
        "origin": "edgeseg" if node.domain == DOMAIN else "finn",
        "shape_in": list(model.get_tensor_shape(node.input[0])),
        "shape_out": list(model.get_tensor_shape(node.output[0])),
        "bits": operation.get_output_datatype(0).bitwidth(),
        "pe": operation.get_nodeattr("PE") if "PE" in attributes else None,
        "simd": operation.get_nodeattr("SIMD") if "SIMD" in attributes else None,
        "expected_cycles": int(operation.get_exp_cycles()),
        "expected_luts": int(operation.lut_estimation(part)),
        "expected_bram18": int(operation.bram_estimation(part)),
        "expected_uram": int(operation.uram_estimation(part)),
        "expected_dsps": int(operation.dsp_estimation(part)),
    }
