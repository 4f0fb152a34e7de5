"""Concatenation of activations along the channels, of the same type and scale."""

from __future__ import annotations

from onnx import NodeProto
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute, set_attribute
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.concat import StreamConcat_rtl
from hw_build.operators.operator import Layer

FIRST_AXIS = {0: 0, 1: 2, 2: 3, 3: 1}  # of a channels-last tensor -> the same axis with channels first


class ConcatenationsToKernels(Transformation):
    """Channels of the first two inputs, then of the third, and so on: one kernel for each input after the first."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("Concat"):
            self._replace(graph, node)
        graph.commit()
        return model, False

    @staticmethod
    def _replace(graph: GraphEditor, node: NodeProto) -> None:
        graph.remove(node)
        joined = node.input[0]
        for number, name in enumerate(node.input[1:], start=1):
            channels = [graph.shapes[joined][-1], graph.shapes[name][-1]]
            result = node.output[0]
            if number < len(node.input) - 1:
                shape = (*graph.shapes[result][:3], sum(channels))
                result = graph.add_tensor(f"{result}_part{number}", shape, graph.datatypes[result])
            add_kernel(graph, StreamConcat_rtl, [joined, name], [result], node.name, NumChannels=channels)
            joined = result


class Concatenation(Layer):
    """Concat, axis 1 of channels first."""

    names = ("Concat",)
    told = "Concat"
    any_layout = True
    placements = hls_passes = (ConcatenationsToKernels(),)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Other axes."""
        if attribute(node, "axis") not in (1, -3):
            return f"concatenates along axis {attribute(node, 'axis')}: only channels (axis 1) lower"
        return None

    def to_channels_first(self, graph: GraphEditor, node: NodeProto) -> None:
        """The axis."""
        set_attribute(node, "axis", FIRST_AXIS[attribute(node, "axis") % 4])

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """The last axis."""
        set_attribute(node, "axis", 3)


OPERATORS = (Concatenation(),)
