"""Sum of two activations of the same shape, with its thresholds in one kernel where they fit.

Scales may differ: each code counts as many times as its scale is a multiple of the common step. Where integers would
grow wide, or the step is no power of two and float32 could decide a tie, two codes of few bits are a table.
"""

from __future__ import annotations

from math import frexp
from typing import TYPE_CHECKING

from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, reject
from hw_build.graph.nodes import add_kernel, lowest_code
from hw_build.graph.ranges import scaled_type, sum_type
from hw_build.kernels.add import StreamAdd_rtl
from hw_build.kernels.add_threshold import StreamAddThreshold_rtl
from hw_build.kernels.code_table import MAX_ADDRESS_BITS
from hw_build.operators.code_functions import ends_in_quantizers
from hw_build.operators.code_table import fits_table
from hw_build.operators.operator import Arithmetic, Layer, Range, RangeOf
from hw_build.operators.scales import common_step, multiply_inputs, take_multiples
from hw_build.operators.sum_thresholds import thresholds_of_sum

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.datatype import BaseDataType

MOST_BITS = 16  # of a sum of codes of different scales


def _sums(graph: GraphEditor) -> list[NodeProto]:
    return [node for node in graph.of_type("Add") if len(graph.dynamic_inputs(node)) == 2]


class FuseSumThresholds(Transformation):
    """Add - MultiThreshold -> a kernel with a table of sums, or a shift."""

    def apply(self, model):
        graph = GraphEditor(model)
        for add in _sums(graph):
            (first, second), times, between = take_multiples(graph, add)
            codes = [graph.datatypes[name] for name in (first, second)]
            low = times[0] * codes[0].min() + times[1] * codes[1].min()
            high = times[0] * codes[0].max() + times[1] * codes[1].max()
            steps = thresholds_of_sum(graph, add, int(low), int(high))
            if steps is not None:
                graph.remove(add, steps, *between)
                add_kernel(
                    graph, StreamAddThreshold_rtl, [first, second, steps.input[1]], [steps.output[0]], add.name,
                    outputDataType=graph.datatypes[steps.output[0]].name,
                    inputDataType2=graph.datatypes[second].name, Times=times, LowestCode=lowest_code(steps),
                )  # fmt: skip
        graph.commit()
        return model, False


class SumsToKernels(Transformation):
    """Add of two streams -> a kernel."""

    def apply(self, model):
        graph = GraphEditor(model)
        for add in _sums(graph):
            sources, times, between = take_multiples(graph, add)
            graph.remove(add, *between)
            add_kernel(
                graph, StreamAdd_rtl, sources, list(add.output), add.name, Times=times,
                inputDataType2=graph.datatypes[sources[1]].name,
                outputDataType=graph.datatypes[add.output[0]].name,
            )  # fmt: skip
        graph.commit()
        return model, False


class StreamSum(Layer):
    """Add of two activations."""

    names = ("Add",)
    told = "Add"
    any_layout = joins_values = True
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

    def leaves_to_table(self, graph: GraphEditor, node: NodeProto, codes: list[str], scales: list[float]) -> bool:
        """Codes of few bits, whose scales differ, unless their common step is a power of two: then sums are exact."""
        types = [graph.datatypes[name] for name in codes]
        if scales[0] == scales[1] or not fits_table(types) or not ends_in_quantizers(graph, node.output[0]):
            return False
        return not self._is_exact(scales, types)

    def _is_exact(self, scales: list[float], types: list[BaseDataType]) -> bool:
        step, times = common_step(scales)
        return frexp(step)[0] == 0.5 and self._sum_type(times, types).bitwidth() <= MOST_BITS

    @staticmethod
    def _sum_type(times: list[int], types: list[BaseDataType]) -> BaseDataType:
        return sum_type(*(scaled_type(datatype, factor) for datatype, factor in zip(types, times, strict=True)))

    def to_integers(self, graph: GraphEditor, node: NodeProto, scales: list[float]) -> dict[str, tuple[str, float]]:
        """Multiples of the common step."""
        step, times = common_step(scales)
        bits = self._sum_type(times, [graph.datatypes[name] for name in node.input]).bitwidth()
        if scales[0] != scales[1] and bits > MOST_BITS:
            raise reject(
                node,
                f"adds codes of scales {scales[0]:g} and {scales[1]:g}, whose common step needs sums of {bits} bits, "
                f"more than {MOST_BITS}: let both branches share one scale, or put a quantizer right behind this sum "
                f"and give both codes together at most {MAX_ADDRESS_BITS} bits",
            )
        multiply_inputs(graph, node, times)
        return super().to_integers(graph, node, [step, step])

    def behind_codes(self, graph: GraphEditor, node: NodeProto, scales: list[float]) -> list[Arithmetic] | None:
        """The scale of both."""
        return [("Mul", scales[0])] if scales[0] == scales[1] else None

    def integer_type(self, graph: GraphEditor, node: NodeProto, types: list[BaseDataType]) -> BaseDataType:
        """One that holds the sum."""
        return sum_type(*types)

    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range:
        """That of both together."""
        first, second = (range_of(name) for name in node.input)
        return first[0] + second[0], first[1] + second[1]

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """The same."""


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "addition of two tensors",
        "of one scale, or of scales in whose common step the sum has at most 16 bits; then a quantizer",
        "StreamAddThreshold (ours), or StreamAdd and Threshold where codes are wide",
    ),
    (
        "addition of tensors of any scales",
        "both codes together of at most 12 bits, then a quantizer",
        "CodeTable (ours), addressed by both codes",
    ),
)
OPERATORS = (StreamSum(),)
