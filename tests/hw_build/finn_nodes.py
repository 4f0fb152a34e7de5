"""A lowered graph with FINN's own nodes for convolutions and thresholds, in the place of our kernels."""

from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute
from hw_build.graph.nodes import add_finn_node
from hw_build.lowering import STEPS
from hw_build.lowering.hardware import passes
from hw_build.lowering.lines import LinesForThresholds
from hw_build.operators.convolution import FuseConvolutions
from hw_build.operators.quantizer import ThresholdsToKernels

OURS = (FuseConvolutions, ThresholdsToKernels, LinesForThresholds)


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


def lowered_to_finn(model: ModelWrapper) -> ModelWrapper:
    """All steps, with the passes of the step `hardware` that are not ours to fuse, and then FINN's nodes."""
    for step in STEPS:
        if step.name != "hardware":
            model = step.run(model)
            continue
        for conversion in (*passes(), MatMulsToMvau(), ThresholdsToHardware()):
            if not isinstance(conversion, OURS):
                model = model.transform(conversion, make_deepcopy=False, cleanup=False)
    return model
