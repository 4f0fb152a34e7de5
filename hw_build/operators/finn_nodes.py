"""Passes that put FINN's nodes in the place of what no kernel of ours serves: windows, products and thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qonnx.core.datatype import DataType
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


class MatMulsToMvau(Transformation):
    """MatMul of integers -> MVAU without thresholds, accumulator as wide as the sums can grow."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("MatMul"):
            source, weights, result = node.input[0], node.input[1], node.output[0]
            rows, columns = graph.constants[weights].shape
            self._widen_to_product(graph, source, weights, result)
            graph.remove(node)
            add_finn_node(
                graph,
                "MVAU",
                [source, weights],
                [result],
                node.name,
                MW=rows,
                MH=columns,
                SIMD=1,
                PE=1,
                inputDataType=graph.datatypes[source].name,
                weightDataType=graph.datatypes[weights].name,
                outputDataType=graph.datatypes[result].name,
                accDataType=graph.datatypes[result].name,
                ActVal=0,
                binaryXnorMode=0,
                noActivation=1,
                numInputVectors=list(graph.shapes[source][:-1]),
                mem_mode="internal_decoupled",
                resType="dsp",
            )
        graph.commit()
        return model, False

    @staticmethod
    def _widen_to_product(graph: GraphEditor, source: str, weights: str, result: str) -> None:
        """FINN's mvu.sv wants an accumulator of at least the widest product, even where the weights reach less."""
        activation = graph.datatypes[source]
        bits = graph.datatypes[weights].bitwidth() + activation.bitwidth() - activation.signed()
        if graph.datatypes[result].bitwidth() < bits:
            graph.datatypes[result] = DataType[f"INT{bits}"]


class ThresholdsToHardware(Transformation):
    """MultiThreshold on integers -> standalone Thresholding."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("MultiThreshold"):
            source, steps, result = node.input[0], node.input[1], node.output[0]
            graph.remove(node)
            add_finn_node(
                graph,
                "Thresholding",
                [source, steps],
                [result],
                node.name,
                NumChannels=graph.shapes[source][-1],
                PE=1,
                numSteps=graph.constants[steps].shape[1],
                inputDataType=graph.datatypes[source].name,
                weightDataType=graph.datatypes[steps].name,
                outputDataType=graph.datatypes[result].name,
                numInputVectors=list(graph.shapes[source][:-1]),
                ActVal=int(attribute(node, "out_bias", 0.0)),
            )
        graph.commit()
        return model, False
