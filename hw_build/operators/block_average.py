"""Averages of lines and of rectangles that do not overlap: sums of columns, then of rows, divided by their number.

Blocks come one after the other, so that no window of the image is held, but one row of sums. Squares are windows
(`average_pool`). The step `streamline` writes a sum as a filter of ones, of type BINARY, as there; from the step
`lower` on it is one kernel or two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.base.errors import ConfigError
from hw_build.graph.editor import GraphEditor, attribute
from hw_build.graph.nodes import add_kernel
from hw_build.graph.ranges import scaled_type
from hw_build.kernels.block_sum import BlockSum_rtl
from hw_build.kernels.rows import window_size
from hw_build.operators.average_pool import ONES
from hw_build.operators.filters import RANK
from hw_build.operators.means import Sum, behind_mean, misfit_of_sum, put_mean, reduced_axes

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.operators.operator import Arithmetic, Range, RangeOf, Size

_LINES = ([2], [3])


class LineMean(Sum):
    """ReduceMean over height or width: an average pool of a line."""

    names = ("ReduceMean",)

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Of an image, whose lines become a pixel."""
        axes = reduced_axes(graph, node)
        is_line = axes is not None and [axis % RANK for axis in axes] in _LINES
        return is_line and len(graph.shapes.get(node.input[0], ())) == RANK and bool(attribute(node, "keepdims", 1))

    def rewrite(self, graph: GraphEditor, node: NodeProto) -> bool:
        """As an average pool."""
        before, after = (graph.shapes[name][2:] for name in (node.input[0], node.output[0]))
        kernel = [side // whole for side, whole in zip(before, after, strict=True)]
        graph.remove(node)
        graph.add_node(
            "AveragePool", [node.input[0]], list(node.output), name=node.name, kernel_shape=kernel, strides=kernel
        )
        return True


class BlockAverage(Sum):
    """AveragePool of blocks that are no squares and fill the image."""

    names = ("AveragePool",)
    keeps_range = by_channel = True

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Without padding; each window begins where the one before it ends."""
        before, after = (graph.shapes.get(name, ())[2:] for name in (node.input[0], node.output[0]))
        kernel = list(attribute(node, "kernel_shape"))
        plain = not any(attribute(node, "pads", [0])) and all(each == 1 for each in attribute(node, "dilations", [1]))
        if len(kernel) != 2 or kernel[0] == kernel[1] or not plain or not before or not after:
            return False
        strides = attribute(node, "strides", [1, 1])
        follow = all(stride == side or count == 1 for stride, side, count in zip(strides, kernel, after, strict=True))
        return follow and all(side * count == own for side, count, own in zip(kernel, after, before, strict=True))

    def misfit(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Blocks whose sums float32 would round."""
        return misfit_of_sum(*attribute(node, "kernel_shape"))

    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range:
        """Means of values lie between them."""
        return range_of(node.input[0])

    def to_integers(self, graph: GraphEditor, node: NodeProto, scales: list[float]) -> dict[str, tuple[str, float]]:
        """A filter of ones over codes, times their scale, divided by their number."""
        source, result, kernel = node.input[0], node.output[0], list(attribute(node, "kernel_shape"))
        ones = graph.add_constant(f"{result}_ones", np.ones((graph.shapes[source][1], 1, *kernel)), ONES)
        codes, given = put_mean(graph, node, scales[0], kernel[0] * kernel[1], kernel[0] * kernel[1])
        graph.add_node(
            "Conv", [source, ones], [codes], name=node.name, kernel_shape=kernel, strides=kernel, pads=[0] * RANK,
            group=graph.shapes[source][1],
        )  # fmt: skip
        return given

    def behind_codes(self, graph: GraphEditor, node: NodeProto, scales: list[float]) -> list[Arithmetic] | None:
        """Sums of a block, and then as onnxruntime divides."""
        rows, columns = attribute(node, "kernel_shape")
        return behind_mean(scales[0], rows * columns)

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """By the window."""
        return window_size(size, attribute(node, "kernel_shape"), [0] * RANK, attribute(node, "strides", [1, 1]))


class BlockSums(Sum):
    """Conv of ones, which `BlockAverage` becomes."""

    inner = ("Conv",)
    told = "AveragePool of lines and rectangles"

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Ones alone, of blocks that are no squares."""
        kernel, strides = (list(attribute(node, name, [1, 1])) for name in ("kernel_shape", "strides"))
        return graph.datatypes.get(node.input[1]) == ONES and kernel == strides and kernel[0] != kernel[1]

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Its kernels: columns first, which leaves fewer sums of rows."""
        source, result, (rows, columns) = node.input[0], node.output[0], attribute(node, "kernel_shape")
        graph.remove(node)
        if rows > 1 and columns > 1:
            images, height, _, channels = graph.shapes[source]
            width, datatype = graph.shapes[result][2], scaled_type(graph.datatypes[source], columns)
            lines = graph.add_tensor(f"{result}_lines", (images, height, width, channels), datatype)
            self._add(graph, source, lines, f"{node.name}_lines", 1, columns)
            source, columns = lines, 1
        self._add(graph, source, result, node.name, rows, columns)

    @staticmethod
    def _add(graph: GraphEditor, source: str, result: str, name: str, rows: int, columns: int) -> None:
        add_kernel(
            graph, BlockSum_rtl, [source], [result], name, Rows=rows, Columns=columns,
            outputDataType=graph.datatypes[result].name,
        )  # fmt: skip

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """None but its own: a line is as long as the image."""
        kernel, (height, width) = attribute(node, "kernel_shape"), graph.shapes[node.output[0]][2:]
        own = height * kernel[0], width * kernel[1]
        if tuple(size) != own:
            raise ConfigError(
                f"{node.name} averages lines or blocks of {own[0]}x{own[1]} pixels, not {size[0]}x{size[1]}: export "
                "the network at the size that is needed"
            )
        return height, width


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "average-pool of lines and rectangles",
        "windows that follow each other without overlap and fill the image, such as 1xW, Hx1, 2x4; ReduceMean over "
        "height or over width; then a quantizer",
        "BlockSum (ours), one for the columns and one for the rows of a block, Threshold",
    ),
)
OPERATORS = (LineMean(), BlockAverage(), BlockSums())
