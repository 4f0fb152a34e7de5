"""Channels-last graphs, of qonnx' conversion or of exporters that work that way, become channels-first ones.

No tensor is transposed in the end: each node between two Transposes is rewritten to read and write the channels-first
tensors. What is neither elementwise nor known here keeps its Transpose, which then does not lower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import CHANNELS_LAST_DOMAIN, GraphEditor, attribute
from hw_build.lowering.intake.nothing import bypass
from hw_build.operators import of_onnx_type, operator_of

if TYPE_CHECKING:
    from onnx import NodeProto

TO_LAST, TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


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
            if node.op_type == "Transpose":
                self._transpose(graph, node, first)
            elif node.domain == CHANNELS_LAST_DOMAIN:
                self._layer(graph, node, first)
            else:
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
        """A layer of qonnx' channels-last domain becomes a standard one."""
        if node.input[0] not in first:
            return
        node.domain = ""
        for operator in of_onnx_type(node.op_type)[:1]:  # forms that share a type have the same weights
            operator.to_channels_first(graph, node)
        self._read_and_write_first(graph, node, first)

    def _move(self, graph: GraphEditor, node: NodeProto, first: dict[str, str]) -> None:
        """A standard node that reads channels-last images alone, where it can do so with channels-first ones."""
        images, operator = graph.dynamic_inputs(node), operator_of(graph, node)
        if images and all(name in first for name in images) and operator is not None and operator.any_layout:
            operator.to_channels_first(graph, node)
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
            if any(operator.elementwise for operator in of_onnx_type(node.op_type)):
                waiting.extend(graph.consumers(node.output[0]))
    return list(found.values())


def _permuted(shape: tuple[int, ...], order: list[int]) -> tuple[int, ...]:
    return tuple(np.array(shape)[order].tolist()) if len(shape) == 4 else shape
