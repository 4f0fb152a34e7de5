"""Whether the constants of a node fit its tensors: as many as there are channels.

ONNX' own checks stop before this: a BN with two factors for four channels is a valid file.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from hw_build.lowering.graph import GraphEditor, attribute

_BN_PARAMETERS = ("scale", "shift", "mean", "variance")
_RANK = 4  # images, channels, height, width
_RANK_OF_1D = 3  # a convolution's own sentence


def misfit(graph: GraphEditor, node: NodeProto) -> str | None:
    """What does not fit at ``node``, as the end of a sentence; None where all does."""
    for name in (*graph.dynamic_inputs(node), node.output[0]):
        shape = graph.shapes.get(name)
        if shape and len(shape) not in (_RANK, _RANK_OF_1D) and not _is_constant(graph, name):
            sizes = "x".join(map(str, shape))
            return f"reads or writes {name} of {sizes}: only images lower, (1, channels, height, width)"
    if node.op_type == "Conv":
        return _of_convolution(graph, node)
    return _of_norm(graph, node) if node.op_type == "BatchNormalization" else None


def _of_convolution(graph: GraphEditor, node: NodeProto) -> str | None:
    source, weight = graph.shapes.get(node.input[0]), _shape_of_constant(graph, node.input[1])
    if weight is not None and (len(weight) != _RANK or min(weight) < 1):
        return f"has weights of shape {weight}: (outputs, inputs, height, width) are needed"
    if source and len(source) == _RANK and weight and weight[1] * attribute(node, "group", 1) != source[1]:
        return f"has weights for {weight[1] * attribute(node, 'group', 1)} channels, its input has {source[1]}"
    if len(node.input) < 3 or not node.input[2]:
        return None
    bias = _shape_of_constant(graph, node.input[2])
    if bias is None:
        return f"has a bias {node.input[2]} that is not a constant"
    if weight and int(np.prod(bias)) != weight[0]:
        return f"has a bias of {int(np.prod(bias))} values for {weight[0]} output channels"
    return None


def _of_norm(graph: GraphEditor, node: NodeProto) -> str | None:
    source = graph.shapes.get(node.input[0])
    for what, name in zip(_BN_PARAMETERS, node.input[1:], strict=True):
        if name not in graph.constants:
            return f"has a {what} that is not a constant"
        if source and len(source) == _RANK and graph.constants[name].size != source[1]:
            return f"has a {what} of {graph.constants[name].size} values for {source[1]} channels"
    return None


def _is_constant(graph: GraphEditor, name: str) -> bool:
    """Whether ``name`` is a constant, or a Quant of one."""
    return _shape_of_constant(graph, name) is not None


def _shape_of_constant(graph: GraphEditor, name: str) -> tuple[int, ...] | None:
    quant = graph.producer(name)
    if quant is not None and not graph.dynamic_inputs(quant):
        name = quant.input[0]
    return graph.constants[name].shape if name in graph.constants else None
