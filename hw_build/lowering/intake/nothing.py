"""Nodes that do nothing at inference are taken out."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, TensorProto
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute


class DropNothing(Transformation):
    """Identity, Dropout, Cast to float, Pad by nothing, and reshapes to the same shape: readers read their source."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in list(graph.nodes):
            if does_nothing(graph, node):
                bypass(graph, node)
        graph.commit()
        return model, False


def does_nothing(graph: GraphEditor, node: NodeProto) -> bool:
    """Whether the first output of ``node`` is its first input, and nobody reads another one."""
    if any(graph.consumers(name) or name in graph.outputs for name in node.output[1:] if name):
        return False
    if node.op_type in ("Identity", "Dropout"):
        return True
    if node.op_type == "Cast":
        return attribute(node, "to") == TensorProto.FLOAT
    if node.op_type == "Pad":
        amounts = graph.constants.get(node.input[1])
        return amounts is not None and not np.any(amounts)
    if node.op_type in ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Expand"):
        before, after = graph.shapes.get(node.input[0]), graph.shapes.get(node.output[0])
        return before is not None and before == after and all(before)
    return False


def bypass(graph: GraphEditor, node: NodeProto) -> None:
    """Take ``node`` out: its readers read its source, and where it wrote the graph's output, its source's node does."""
    source, result = node.input[0], node.output[0]
    if result not in graph.outputs:
        graph.remove(node)
        graph.rename_uses(result, source)
    elif graph.producer(source) is not None and source not in graph.outputs:
        graph.remove(node)
        graph.rename(source, result)
