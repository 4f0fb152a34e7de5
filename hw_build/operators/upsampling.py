"""What the forms of Resize share that enlarge an image: their constants, and how they stand channels last."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hw_build.graph.editor import reject
from hw_build.operators.operator import TO_FIRST, Layer, Range, RangeOf, Size

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor


def factor_of(graph: GraphEditor, node: NodeProto) -> int | None:
    """The whole factor of both sides, of a channels-first or channels-last image; None where there is none."""
    scales = graph.constants.get(node.input[2]) if len(node.input) > 2 else None
    if scales is None or scales.size != 4:  # by the size of the output
        before, after = graph.shapes[node.input[0]], graph.shapes[node.output[0]]
        scales = np.divide(after, before)
    factor = int(max(scales))
    whole = factor >= 2 and sorted(scales) == [1, 1, factor, factor] and scales[2] == factor
    return factor if whole else None


def whole_factor(graph: GraphEditor, node: NodeProto) -> int:
    """`factor_of` a node that was not refused."""
    factor = factor_of(graph, node)
    if factor is None:
        raise reject(node, "resizes by no whole factor, the same for height and width")
    return factor


def refusal_of_factor(
    graph: GraphEditor, node: NodeProto, form: str, factors: str, allowed: tuple[int, ...]
) -> str | None:
    """The end of a sentence where shapes are known and ``node`` enlarges by none of ``allowed``, or all if empty."""
    before, after = graph.shapes.get(node.input[0]), graph.shapes.get(node.output[0])
    if not before or not after:
        return None
    factor = factor_of(graph, node)
    if factor is not None and (not allowed or factor in allowed):
        return None
    return (
        f"resizes {before[2]}x{before[3]} to {after[2]}x{after[3]} by {form}: only {factors}, the same for height and "
        "width, lowers"
    )


class Upsampling(Layer):
    """Resize, of one mode."""

    names = ("Resize",)
    any_layout = keeps_range = by_channel = True

    form: ClassVar[dict[str, str]]  # the attributes that say it

    def to_channels_first(self, graph: GraphEditor, node: NodeProto) -> None:
        """Scales or sizes of the four axes."""
        for position, name in enumerate(node.input):
            if name in graph.constants and graph.constants[name].size == 4:
                value = graph.constants[name]
                node.input[position] = graph.add_constant(f"{name}_first", value[list(TO_FIRST)], dtype=value.dtype)

    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range:
        """Values, and means of them, lie between the least and the greatest."""
        return range_of(node.input[0])

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """As many times as large."""
        factor = whole_factor(graph, node)
        return factor * size[0], factor * size[1]

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """By scales, which are the same for every size of the image."""
        factor = whole_factor(graph, node)
        scales = graph.add_constant(f"{node.output[0]}_scales", np.array([1, factor, factor, 1]))
        graph.remove(node)
        graph.add_node("Resize", [node.input[0], "", scales], [node.output[0]], name=node.name, **self.form)
