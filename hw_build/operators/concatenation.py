"""Concatenation of activations along the channels.

Codes of different scales become multiples of their common step. What follows, as far as a quantizer, is moved before it
where inputs are no codes yet, or not of one scale: it works on each channel by itself.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute, reject, set_attribute, smallest_integer_type
from hw_build.graph.nodes import add_kernel
from hw_build.graph.ranges import scaled_type
from hw_build.kernels.concat import StreamConcat_rtl
from hw_build.operators import operator_of
from hw_build.operators.channel_constants import change_channels, channel_constants
from hw_build.operators.constants import QUANT
from hw_build.operators.operator import Layer, Range, RangeOf
from hw_build.operators.scales import common_step, multiply_inputs, take_multiples

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.datatype import BaseDataType

MOST_BITS = 8  # of a code that a convolution reads
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
        sources, times, between = take_multiples(graph, node)
        graph.remove(node, *between)
        joined, factor = sources[0], times[0]
        for number, name in enumerate(sources[1:], start=1):
            channels = [graph.shapes[joined][-1], graph.shapes[name][-1]]
            result = node.output[0]
            if number < len(node.input) - 1:
                shape = (*graph.shapes[result][:3], sum(channels))
                result = graph.add_tensor(f"{result}_part{number}", shape, graph.datatypes[result])
            add_kernel(
                graph, StreamConcat_rtl, [joined, name], [result], node.name, NumChannels=channels,
                Times=[factor, times[number]], inputDataType2=graph.datatypes[name].name,
                outputDataType=graph.datatypes[result].name,
            )  # fmt: skip
            joined, factor = result, 1


class Concatenation(Layer):
    """Concat, axis 1 of channels first."""

    names = ("Concat",)
    told = "Concat"
    any_layout = keeps_codes = True
    placements = hls_passes = (ConcatenationsToKernels(),)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Other axes."""
        if attribute(node, "axis") not in (1, -3):
            return f"concatenates along axis {attribute(node, 'axis')}: only channels (axis 1) lower"
        return None

    def rewrite(self, graph: GraphEditor, node: NodeProto) -> bool:
        """The node behind it before it, on each of its inputs; whether that was needed and can be."""
        result, readers = node.output[0], graph.consumers(node.output[0])
        shapes = [graph.shapes[name] for name in node.input if name in graph.shapes]
        once = len(set(node.input)) == len(node.input) == len(shapes)
        if len(readers) != 1 or result in graph.outputs or not once:
            return False
        if attribute(node, "axis") not in (1, -3) or any(len(shape) != 4 for shape in shapes):
            return False
        found = _scales(graph, result)
        if len(found) == 1 and None not in found:
            return False
        (after,) = readers
        positions = channel_constants(graph, after, result, sum(shape[1] for shape in shapes))
        if positions is None:
            return False
        final, first = after.output[0], 0
        for number, (name, shape) in enumerate(zip(list(node.input), shapes, strict=True)):
            copy = deepcopy(after)
            copy.name = f"{after.name}_{number}"
            copy.input[list(after.input).index(result)] = name
            copy.output[0] = node.input[number] = graph.add_tensor(f"{final}_{number}", shape)
            graph.nodes.append(copy)
            part = np.arange(first, first + shape[1])
            change_channels(graph, copy, positions, lambda value, axis, part=part: value.take(part, axis))  # type: ignore[misc]
            first += shape[1]
        graph.remove(after)
        node.output[0] = final
        graph.touch()
        return True

    def to_integers(self, graph: GraphEditor, node: NodeProto, scales: list[float]) -> dict[str, tuple[str, float]]:
        """Multiples of the common step."""
        step, times = common_step(scales)
        types = [scaled_type(graph.datatypes[name], factor) for name, factor in zip(node.input, times, strict=True)]
        bits = self.integer_type(graph, node, types).bitwidth()
        if len(set(scales)) != 1 and bits > MOST_BITS:
            found = " and ".join(f"{scale:g}" for scale in dict.fromkeys(scales))
            raise reject(
                node,
                f"joins codes of scales {found}, whose common step needs codes of {bits} bits, more than {MOST_BITS}: "
                "let all share one scale, or put one quantizer behind it",
            )
        multiply_inputs(graph, node, times)
        return super().to_integers(graph, node, [step] * len(scales))

    def integer_type(self, graph: GraphEditor, node: NodeProto, types: list[BaseDataType]) -> BaseDataType:
        """The narrowest that holds all."""
        return smallest_integer_type(min(int(each.min()) for each in types), max(int(each.max()) for each in types))

    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range:
        """That of all together."""
        lows, highs = zip(*(range_of(name) for name in node.input), strict=True)
        return min(lows), max(highs)

    def to_channels_first(self, graph: GraphEditor, node: NodeProto) -> None:
        """The axis."""
        set_attribute(node, "axis", FIRST_AXIS[attribute(node, "axis") % 4])

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """The last axis."""
        set_attribute(node, "axis", 3)


def _scales(graph: GraphEditor, tensor: str) -> set[float | None]:
    """The scales of the codes that ``tensor`` holds, None among them where it holds others than codes."""
    node = graph.producer(tensor)
    if node is not None and node.op_type in QUANT and node.input[1] in graph.constants:
        return set(graph.constants[node.input[1]].reshape(-1).tolist())
    operator = None if node is None else operator_of(graph, node)
    if node is not None and isinstance(operator, Layer) and operator.keeps_codes:
        return set().union(*(_scales(graph, name) for name in graph.dynamic_inputs(node)))
    return {None}


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "concatenation",
        "along the channels, of any types; of one scale; of scales with a common step in which codes have "
        "at most 8 bits; or of any scales if BN, activation and quantizer follow",
        "StreamConcat (ours)",
    ),
)
OPERATORS = (Concatenation(),)
