"""Pass that puts FINN's nodes in the place of what no kernel of ours serves: padding and windows of any form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute
from hw_build.graph.nodes import add_finn_node
from hw_build.operators.windows import padding_of

if TYPE_CHECKING:
    from onnx import NodeProto


class PatchesToSlidingWindows(Transformation):
    """Pad -> FMPadding, Im2Col -> ConvolutionInputGenerator."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("Pad"):
            self._padding(graph, node)
        for node in graph.of_type("Im2Col"):
            self._window(graph, node)
        graph.commit()
        return model, False

    @staticmethod
    def _padding(graph: GraphEditor, node: NodeProto) -> None:
        source, result = node.input[0], node.output[0]
        _, height, width, channels = graph.shapes[source]
        graph.remove(node)
        add_finn_node(
            graph,
            "FMPadding",
            [source],
            [result],
            node.name,
            ImgDim=[height, width],
            Padding=padding_of(graph, node),
            NumChannels=channels,
            SIMD=1,
            inputDataType=graph.datatypes[source].name,
        )

    @staticmethod
    def _window(graph: GraphEditor, node: NodeProto) -> None:
        source, result = node.input[0], node.output[0]
        _, height, width, channels = graph.shapes[source]
        graph.remove(node)
        add_finn_node(
            graph,
            "ConvolutionInputGenerator",
            [source],
            [result],
            node.name,
            IFMDim=[height, width],
            ConvKernelDim=list(attribute(node, "kernel_size")),
            IFMChannels=channels,
            SIMD=1,
            Stride=list(attribute(node, "stride")),
            OFMDim=list(graph.shapes[result][1:3]),
            Dilation=list(attribute(node, "dilations")),
            inputDataType=graph.datatypes[source].name,
            outputDataType=graph.datatypes[source].name,
            depthwise=attribute(node, "depthwise", 0),
            is1D=0,
        )
