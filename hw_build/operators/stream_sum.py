"""Sum of two activations of the same shape, type and scale, with its thresholds in one kernel where they fit."""

from __future__ import annotations

from onnx import NodeProto
from qonnx.core.datatype import BaseDataType
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor
from hw_build.graph.nodes import add_kernel
from hw_build.graph.ranges import sum_type
from hw_build.kernels.add import StreamAdd_rtl
from hw_build.kernels.add_threshold import StreamAddThreshold_rtl
from hw_build.operators.operator import Layer, Range, RangeOf
from hw_build.operators.sum_thresholds import thresholds_of_sum


def _sums(graph: GraphEditor) -> list[NodeProto]:
    return [node for node in graph.of_type("Add") if len(graph.dynamic_inputs(node)) == 2]


class FuseSumThresholds(Transformation):
    """Add - MultiThreshold of unsigned codes -> a kernel with a table of sums, or a shift."""

    def apply(self, model):
        graph = GraphEditor(model)
        for add in _sums(graph):
            first, second = add.input
            largest = graph.datatypes[first].max() + graph.datatypes[second].max()
            steps = thresholds_of_sum(graph, add, [first, second], int(largest))
            if steps is not None:
                graph.remove(add, steps)
                add_kernel(
                    graph, StreamAddThreshold_rtl, [first, second, steps.input[1]], [steps.output[0]], add.name,
                    outputDataType=graph.datatypes[steps.output[0]].name,
                    inputDataType2=graph.datatypes[second].name,
                )  # fmt: skip
        graph.commit()
        return model, False


class SumsToKernels(Transformation):
    """Add of two streams -> a kernel."""

    def apply(self, model):
        graph = GraphEditor(model)
        for add in _sums(graph):
            graph.remove(add)
            add_kernel(
                graph, StreamAdd_rtl, list(add.input), list(add.output), add.name,
                inputDataType2=graph.datatypes[add.input[1]].name,
                outputDataType=graph.datatypes[add.output[0]].name,
            )  # fmt: skip
        graph.commit()
        return model, False


class StreamSum(Layer):
    """Add of two activations."""

    names = ("Add",)
    told = "Add"
    any_layout = True
    fusions = (FuseSumThresholds(),)
    placements = (SumsToKernels(),)

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Neither is a constant."""
        return len(graph.dynamic_inputs(node)) == 2

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Unlike shapes."""
        shapes = [graph.shapes.get(name, ()) for name in graph.dynamic_inputs(node)]
        if all(shapes) and shapes[0] != shapes[1]:
            sizes = " and ".join("x".join(map(str, shape[1:])) for shape in shapes)
            return f"adds images of unlike shapes, {sizes}: only equal ones add, so repeat the smaller before it"
        return None

    def integer_type(self, graph: GraphEditor, node: NodeProto, types: list[BaseDataType]) -> BaseDataType:
        """One that holds the sum."""
        return sum_type(*types)

    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range:
        """That of both together."""
        first, second = (range_of(name) for name in node.input)
        return first[0] + second[0], first[1] + second[1]

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """The same."""


OPERATORS = (StreamSum(),)
