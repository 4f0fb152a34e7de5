"""Nodes of ONNX graphs: their attributes, and what a few of them compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import NodeProto, TensorProto, helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.basic import get_by_name, qonnx_make_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np


def attribute(node: NodeProto, name: str, default: object) -> object:
    """An attribute's value; bytes for strings. Brevitas writes a false flag as an empty string."""
    found = get_by_name(node.attribute, name)
    if found is None:
        return default
    kind = {1: "f", 2: "i", 3: "s", 6: "floats", 7: "ints"}[found.type]
    return getattr(found, kind)


def run_nodes(model: ModelWrapper, nodes: Sequence[NodeProto], source: str, values: np.ndarray) -> np.ndarray:
    """Runs ``nodes``, elementwise ones of ``model`` in order, on values (C, n) of the tensor ``source``: (C, n)."""
    output, shape = nodes[-1].output[0], (1, len(values), 1, values.shape[1])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in (source, output)]
    graph = helper.make_graph(nodes, "steps", ends[:1], ends[1:])
    part = ModelWrapper(qonnx_make_model(graph, opset_imports=model.model.opset_import))
    for node in nodes:
        part.set_tensor_shape(node.output[0], shape)
        for name in node.input:
            constant = model.get_initializer(name)
            if constant is not None:
                part.set_initializer(name, constant)
    return execute_onnx(part, {source: values.reshape(shape)})[output].reshape(values.shape)
