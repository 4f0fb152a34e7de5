"""What averages share: a sum of codes, a node of its own, and a division by their number, as onnxruntime does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.graph.editor import attribute
from hw_build.graph.ranges import FLOAT32_BITS, scaled_type
from hw_build.operators.operator import Arithmetic, Layer, Range, RangeOf

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor

HIGHEST_CODE = 255


class Sum(Layer):
    """Sums of codes, in a type that holds them."""

    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range:
        """So many times that of a code."""
        datatype = graph.datatypes[node.output[0]]
        return int(datatype.min()), int(datatype.max())


def reduced_axes(graph: GraphEditor, node: NodeProto) -> list[int] | None:
    """The axes of a reduction, an attribute or a constant input by its opset; None where neither says them."""
    axes = attribute(node, "axes", None)
    if axes is None and len(node.input) > 1 and node.input[1] in graph.constants:
        axes = graph.constants[node.input[1]].reshape(-1).tolist()
    return None if axes is None else list(axes)


def misfit_of_sum(height: int, width: int) -> str | None:
    """Why so many pixels have no average, as the end of a sentence; None where float32 holds their sum."""
    if (height * width * HIGHEST_CODE).bit_length() > FLOAT32_BITS:
        return f"averages {height}x{width} pixels, whose sum float32 may round: pool the image before it"
    return None


def behind_mean(scale: float, pixels: int) -> list[Arithmetic] | None:
    """What makes a mean of values of a mean of their codes (`Layer.behind_codes`); None of so many ``pixels`` that
    float32 does not give their sum back.
    """
    if pixels * HIGHEST_CODE >= 2 ** (FLOAT32_BITS - 3):
        return None
    return [("Mul", float(pixels)), ("Round", None), ("Mul", scale), ("Div", float(pixels))]


def put_mean(
    graph: GraphEditor, node: NodeProto, scale: float, summed: int, pixels: int
) -> tuple[str, dict[str, tuple[str, float]]]:
    """In the place of ``node``, an average of codes of ``scale``: a tensor of sums, times the scale, by ``pixels``.

    Returns the tensor, of a type for ``summed`` codes, which the caller writes, and what ``Layer.to_integers`` gives.
    """
    source, result = node.input[0], node.output[0]
    sums = graph.add_tensor(f"{result}_codes", graph.shapes[result], scaled_type(graph.datatypes[source], summed))
    scaled = graph.add_tensor(f"{result}_sum", graph.shapes[result])
    factor = graph.add_constant(f"{result}_scale", scale)
    count = graph.add_constant(f"{result}_pixels", float(pixels))
    graph.remove(node)
    graph.add_node("Mul", [sums, factor], [scaled], name=f"{node.name}_scale")
    graph.add_node("Div", [scaled, count], [result], name=f"{node.name}_pixels")
    return sums, {result: (sums, scale / pixels)}
