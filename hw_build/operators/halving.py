"""What operators share that halve height and width: which images they take."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from hw_build.operators import operator_of

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor


def refusal_of_odd_sides(graph: GraphEditor, node: NodeProto) -> str | None:
    """Why the image of ``node``, which halves it, does not suit, as the end of a sentence; None where it does."""
    size, image = (graph.shapes.get(name, ())[2:] for name in (node.input[0], graph.inputs[0]))
    if any(side % 2 for side in size):
        return (
            f"halves {size[0]}x{size[1]}: height and width of the image, {image[0]}x{image[1]}, must be multiples of "
            f"{smallest_side(graph)} for the poolings of this network"
        )
    return None


def smallest_side(graph: GraphEditor) -> int:
    """What height and width must be multiples of: the most rows of the image that a row of any tensor stands for."""
    steps = dict.fromkeys(graph.inputs, Fraction(1))
    largest = Fraction(1)
    for node in graph.sorted_nodes():
        operator = operator_of(graph, node)
        own = Fraction(1) if operator is None else operator.row_step(graph, node)
        arriving = max((steps[name] for name in node.input if name in steps), default=Fraction(1)) * own
        steps.update(dict.fromkeys(node.output, arriving))
        largest = max(largest, arriving)
    return int(largest)
