"""Channels-last graphs, of qonnx' conversion or of exporters that work that way, become channels-first ones.

No tensor is transposed in the end: each node between two Transposes is rewritten to read and write the channels-first
tensors. What is neither elementwise nor known here keeps its Transpose, which then does not lower.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto
from qonnx.transformation.base import Transformation

from hw_build.lowering.graph import GraphEditor, attribute, set_attribute
from hw_build.lowering.intake.nothing import bypass
from hw_build.lowering.rules import CHANNELS_LAST_DOMAIN

TO_LAST, TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
ELEMENTWISE = ("Relu", "Quant", "IntQuant", "Add", "Sub", "Mul", "Div", "Clip", "LeakyRelu", "Sigmoid")
MOVED = (*ELEMENTWISE, "Concat", "Resize")


class ChannelsLastToFirst(Transformation):
    """Rewrite every node that works on a channels-last image for the same image with channels first."""

    def apply(self, model):
        graph = GraphEditor(model)
        if any(node.domain == CHANNELS_LAST_DOMAIN for node in graph.nodes) or graph.of_type("Transpose"):
            self._rewrite(graph)
        graph.commit()
        return model, False

    def _rewrite(self, graph: GraphEditor) -> None:
        first: dict[str, str] = {}  # channels-last tensor -> the same image with channels first
        if any(node.domain == CHANNELS_LAST_DOMAIN for name in graph.inputs for node in _layers(graph, name)):
            for name in graph.inputs:  # no Transpose at the start: the image itself is channels last
                graph.shapes[name] = _permuted(graph.shapes[name], TO_FIRST)
                first[name] = name
        for node in graph.sorted_nodes():
            images = [name for name in graph.dynamic_inputs(node) if name in first]
            if node.op_type == "Transpose":
                self._transpose(graph, node, first)
            elif node.domain == CHANNELS_LAST_DOMAIN:
                self._layer(graph, node, first)
            elif images and len(images) == len(graph.dynamic_inputs(node)) and node.op_type in MOVED:
                self._move(graph, node, first)
        for position, name in enumerate(graph.outputs):
            if name in first:  # no Transpose at the end
                graph.outputs[position] = first[name]
                graph.shapes[first[name]] = _permuted(graph.shapes[name], TO_FIRST)

    @staticmethod
    def _transpose(graph: GraphEditor, node: NodeProto, first: dict[str, str]) -> None:
        order, source = attribute(node, "perm"), node.input[0]
        if order == TO_LAST and source not in first:
            first[node.output[0]] = source
        elif order == TO_FIRST and source in first:
            node.input[0] = first[source]
            graph.touch()
            bypass(graph, node)

    def _layer(self, graph: GraphEditor, node: NodeProto, first: dict[str, str]) -> None:
        """A Conv, BatchNormalization or MaxPool of qonnx' channels-last domain."""
        source = node.input[0]
        if source not in first:
            return
        node.domain = ""
        if node.op_type == "Conv":  # filters (O, H, W, I)
            transposed = graph.add_tensor(f"{node.input[1]}_first", ())
            graph.add_node("Transpose", [node.input[1]], [transposed], perm=TO_FIRST, name=f"{node.name}_filters")
            node.input[1] = transposed
        self._read_and_write_first(graph, node, first)

    def _move(self, graph: GraphEditor, node: NodeProto, first: dict[str, str]) -> None:
        if node.op_type == "Concat":
            set_attribute(node, "axis", {0: 0, 1: 2, 2: 3, 3: 1}[attribute(node, "axis") % 4])
        for position, name in enumerate(node.input):
            if name not in graph.constants:
                continue
            value = graph.constants[name]
            if node.op_type == "Resize" and value.size == 4:
                node.input[position] = graph.add_constant(f"{name}_first", value[TO_FIRST], dtype=value.dtype)
            elif node.op_type in ELEMENTWISE and value.size > 1:
                image = value.reshape((1,) * (4 - value.ndim) + value.shape)
                node.input[position] = graph.add_constant(f"{name}_first", image.transpose(TO_FIRST))
        self._read_and_write_first(graph, node, first)

    @staticmethod
    def _read_and_write_first(graph: GraphEditor, node: NodeProto, first: dict[str, str]) -> None:
        for position, name in enumerate(node.input):
            node.input[position] = first.get(name, name)
        last = node.output[0]
        shape = _permuted(graph.shapes.get(last, ()), TO_FIRST)
        node.output[0] = first[last] = graph.add_tensor(f"{last}_first", shape)
        graph.touch()


def _layers(graph: GraphEditor, tensor: str) -> list[NodeProto]:
    """The nodes that read ``tensor``, those behind elementwise ones included."""
    found: dict[int, NodeProto] = {}
    waiting = list(graph.consumers(tensor))
    while waiting:
        node = waiting.pop()
        if id(node) not in found:
            found[id(node)] = node
            if node.op_type in ELEMENTWISE:
                waiting.extend(graph.consumers(node.output[0]))
    return list(found.values())


def _permuted(shape: tuple[int, ...], order: list[int]) -> tuple[int, ...]:
    return tuple(np.array(shape)[order].tolist()) if len(shape) == 4 else shape
