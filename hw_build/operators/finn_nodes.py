"""Pass that puts FINN's nodes in the place of what no kernel of ours serves: padding and windows of any form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute
from hw_build.graph.nodes import add_finn_node
from hw_build.operators.windows import padding_of

if TYPE_CHECKING:
    from onnx import NodeProto


class PadsToPaddingNodes(Transformation):
    """Pad of rows and columns -> FMPadding, as stock FINN has it: the next frame's zeros leave before it is there."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("Pad"):
            _, height, width, channels = graph.shapes[node.input[0]]
            pads = padding_of(graph, node)
            if graph.shapes[node.output[0]][-1] != channels:
                continue
            graph.remove(node)
            add_finn_node(
                graph, "FMPadding", [node.input[0]], [node.output[0]], node.name, ImgDim=[height, width], Padding=pads,
                NumChannels=channels, SIMD=1, inputDataType=graph.datatypes[node.input[0]].name,
            )  # fmt: skip
        graph.commit()
        return model, False


class PatchesToSlidingWindows(Transformation):
    """Im2Col -> ConvolutionInputGenerator."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("Im2Col"):
            self._window(graph, node)
        graph.commit()
        return model, False

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
