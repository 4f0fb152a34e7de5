"""What a few nodes make of given values, as the reference executes them: qonnx, one node at a time on onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx

if TYPE_CHECKING:
    from hw_build.graph.editor import GraphEditor


def evaluate(graph: GraphEditor, nodes: list[NodeProto], values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """``values``: tensors (1, C, H, W) of one size that ``nodes``, in their order, read; returns what they write.

    The nodes must work on each value by itself, so that the size of the graph's own image does not matter.
    """
    written = [name for node in nodes for name in node.output]
    sizes = np.broadcast_shapes(*(value.shape for value in values.values()))

    def described(name: str, shape: tuple[int, ...]):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    used = {name for node in nodes for name in node.input if name in graph.constants}
    constants = [numpy_helper.from_array(graph.constants[name], name) for name in sorted(used)]
    inputs = [described(name, value.shape) for name, value in values.items()]
    outputs = [described(name, sizes) for name in written]
    proto = helper.make_graph(nodes, "part", inputs, outputs[-1:], constants, value_info=outputs[:-1])
    model = ModelWrapper(helper.make_model(proto, opset_imports=graph.model.model.opset_import))
    found = execute_onnx(model, {name: value.astype(np.float32) for name, value in values.items()}, True)
    return {name: found[name] for name in written}
