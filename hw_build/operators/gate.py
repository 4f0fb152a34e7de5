"""Products of two activations: gates, of one value for each pixel of a channel, for a channel, or for a pixel.

Codes of few bits whose product is quantized are a table of both; wide ones are multiplied. A gate of a channel
(1, C, 1, 1), of its rows or columns, or of a pixel (1, 1, H, W) is repeated first, by a node Expand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.transformation.base import Transformation

from hw_build.base.errors import ConfigError
from hw_build.graph.editor import GraphEditor, smallest_integer_type
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.multiply import StreamMultiply_rtl
from hw_build.kernels.repeat import StreamRepeat_rtl
from hw_build.operators.code_functions import ends_in_quantizers
from hw_build.operators.code_table import fits_table
from hw_build.operators.operator import Layer, Range, RangeOf, Size

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.datatype import BaseDataType


class ProductsToKernels(Transformation):
    """Mul of two streams -> a kernel."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("Mul"):
            if len(graph.dynamic_inputs(node)) == 2:
                graph.remove(node)
                add_kernel(
                    graph, StreamMultiply_rtl, list(node.input), list(node.output), node.name,
                    inputDataType2=graph.datatypes[node.input[1]].name,
                    outputDataType=graph.datatypes[node.output[0]].name,
                )  # fmt: skip
        graph.commit()
        return model, False


def _repeats(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Whether one pixel of ``small``, or of each of its rows or columns, or one channel fills ``large``."""
    if len(small) != 4 or len(large) != 4:
        return False
    batch_and_channels, (height, width) = (1, large[1]), large[2:]
    lines = ((1, 1), (height, 1), (1, width))
    return small in ((1, 1, height, width), *((*batch_and_channels, *line) for line in lines))


class Product(Layer):
    """Mul of two activations."""

    names = ("Mul",)
    told = "Mul"
    any_layout = joins_values = True
    placements = (ProductsToKernels(),)

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Neither is a constant."""
        return len(graph.dynamic_inputs(node)) == 2

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Other shapes."""
        shapes = [graph.shapes.get(name, ()) for name in node.input]
        if all(shapes) and shapes[0] != shapes[1]:
            sizes = " and ".join("x".join(map(str, shape[1:])) for shape in shapes)
            return (
                f"multiplies images of unlike shapes, {sizes}: equal ones lower, or one value for each channel, or for "
                "each of its rows or columns, or for each pixel"
            )
        return None

    def rewrite(self, graph: GraphEditor, node: NodeProto) -> bool:
        """The gate of a channel or of a pixel repeated."""
        shapes = [graph.shapes.get(name, ()) for name in node.input]
        for position, (small, large) in enumerate((shapes, shapes[::-1])):
            if small != large and _repeats(small, large):
                name = node.input[position]
                wide = graph.add_tensor(f"{name}_all_over", large)
                size = graph.add_constant(f"{wide}_shape", large, dtype=np.int64)
                graph.add_node("Expand", [name, size], [wide], name=f"{node.name}_expand")
                node.input[position] = wide
                graph.touch()
                return True
        return False

    def leaves_to_table(self, graph: GraphEditor, node: NodeProto, codes: list[str], scales: list[float]) -> bool:
        """Codes of few bits."""
        return fits_table([graph.datatypes[name] for name in codes]) and ends_in_quantizers(graph, node.output[0])

    def to_integers(self, graph: GraphEditor, node: NodeProto, scales: list[float]) -> dict[str, tuple[str, float]]:
        """The product of both scales."""
        return super().to_integers(graph, node, [scales[0] * scales[1]])

    def integer_type(self, graph: GraphEditor, node: NodeProto, types: list[BaseDataType]) -> BaseDataType:
        """One that holds every product."""
        corners = [int(a * b) for a in (types[0].min(), types[0].max()) for b in (types[1].min(), types[1].max())]
        return smallest_integer_type(min(corners), max(corners))

    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range:
        """Of the products of what both reach."""
        first, second = (range_of(name) for name in node.input)
        corners = [a * b for a in first for b in second]
        return min(corners), max(corners)

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """The same."""


class Expand(Layer):
    """Expand: one pixel all over an image, or one of each row or column, or one channel for all."""

    names = ("Expand",)
    told = "Expand of a pixel or a channel"
    keeps_codes = True

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Other shapes."""
        before, after = (graph.shapes.get(name, ()) for name in (node.input[0], node.output[0]))
        if before and after and not _repeats(before, after):
            sizes = " to ".join("x".join(map(str, shape)) for shape in (before, after))
            return (
                f"repeats {sizes}: one pixel (1, C, 1, 1), one of each row (1, C, H, 1) or column (1, C, 1, W), or one "
                "channel (1, 1, H, W), lowers"
            )
        return None

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Its kernel."""
        _, height, width, channels = graph.shapes[node.output[0]]
        graph.remove(node)
        add_kernel(
            graph, StreamRepeat_rtl, [node.input[0]], [node.output[0]], node.name, OutDim=[height, width],
            OutChannels=channels,
        )  # fmt: skip

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """That of the image, where a channel is repeated."""
        shape = graph.constants[node.input[1]]
        if shape[1] == graph.shapes[node.input[0]][1]:
            raise ConfigError(
                f"{node.name} repeats pixels all over {shape[2]}x{shape[3]}: export it at the size that is needed"
            )
        node.input[1] = graph.add_constant(f"{node.input[1]}_of_size", [1, shape[1], *size], dtype=np.int64)
        return size


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "product of two tensors",
        "equal shapes; or a gate per channel (1, C, 1, 1), as in squeeze-and-excitation, per row or column of a "
        "channel (1, C, H, 1), (1, C, 1, W), as in coordinate attention, or per pixel (1, 1, H, W); then a quantizer",
        "CodeTable (ours) if both codes together have at most 12 bits, otherwise StreamMultiply (ours), Threshold; a "
        "gate is repeated by StreamRepeat (ours)",
    ),
)

OPERATORS = (Product(), Expand())
