"""Average pooling of any window: a sum of codes, and a division by their number, which thresholds take.

Sums are divided after they are taken, as onnxruntime does it. The step `streamline` writes a sum as a filter of ones,
of type BINARY; from the step `lower` on it is windows of the image and their sum.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from qonnx.core.datatype import DataType

from hw_build.graph.editor import GraphEditor, attribute, set_attribute
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.rows import window_size
from hw_build.kernels.window_sum import WindowSum_rtl
from hw_build.operators.finn_nodes import PatchesToSlidingWindows
from hw_build.operators.means import Sum, put_mean
from hw_build.operators.operator import Layer, Range, RangeOf, Size
from hw_build.operators.windows import image_patches, pads_of_pool, refusal_of_pool

if TYPE_CHECKING:
    from onnx import NodeProto

ONES = DataType["BINARY"]
_LARGEST_SIDE = 64  # of a window


def _counts(node: NodeProto, size: Size, after: Size) -> list[np.ndarray]:
    """How many rows, and columns, of each window are counted: those of the image, with or without its padding."""
    kernel, pads = attribute(node, "kernel_shape"), attribute(node, "pads", [0] * 4)
    strides, padded = attribute(node, "strides", [1, 1]), bool(attribute(node, "count_include_pad", 0))
    found = []
    for axis in range(2):
        starts = strides[axis] * np.arange(after[axis]) - pads[axis]
        first, end = (-pads[axis], size[axis] + pads[axis + 2]) if padded else (0, size[axis])
        found.append(np.minimum(starts + kernel[axis], end) - np.maximum(starts, first))
    return found


class AveragePool(Layer):
    """AveragePool."""

    names = ("AveragePool",)
    reads_windows = True
    placements = (PatchesToSlidingWindows(),)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Unequal strides, pads by name, dilation, single pixels, and windows that count unlike numbers of them."""
        if (why := refusal_of_pool(node)) is not None:
            return why
        kernel = list(attribute(node, "kernel_shape"))
        if kernel == [1, 1] or max(kernel) > _LARGEST_SIDE:
            return f"has kernel {kernel}: sides of at most {_LARGEST_SIDE}, and more than one pixel, lower"
        if any(each != 1 for each in attribute(node, "dilations", [1])):
            return f"has dilations {list(attribute(node, 'dilations'))}: only windows without lower"
        sizes = [graph.shapes.get(name, ())[2:] for name in (node.input[0], node.output[0])]
        if all(sizes) and any(np.ptp(each) for each in _counts(node, *sizes)):
            return (
                "divides by fewer pixels at the border than inside: count the padding (count_include_pad=1) and leave "
                "ceil_mode out, or pool without padding"
            )
        return None

    def can_join_padding(self, node: NodeProto) -> bool:
        """Where it counts its own."""
        return not any(attribute(node, "pads", [0])) or bool(attribute(node, "count_include_pad", 0))

    def join_padding(self, node: NodeProto, pads: list[int]) -> None:
        """Zeros of a Pad are counted."""
        super().join_padding(node, pads)
        set_attribute(node, "count_include_pad", 1)

    def row_step(self, graph: GraphEditor, node: NodeProto) -> Fraction:
        """The stride."""
        return Fraction(attribute(node, "strides", [1])[0])

    def to_integers(self, graph: GraphEditor, node: NodeProto, scales: list[float]) -> dict[str, tuple[str, float]]:
        """A filter of ones over codes, times their scale, divided by their number."""
        source, result = node.input[0], node.output[0]
        kernel, channels = list(attribute(node, "kernel_shape")), graph.shapes[source][1]
        sizes = graph.shapes[source][2:], graph.shapes[result][2:]
        rows, columns = _counts(node, *sizes)
        ones = graph.add_constant(f"{result}_ones", np.ones((channels, 1, *kernel)), ONES)
        codes, given = put_mean(graph, node, scales[0], kernel[0] * kernel[1], int(rows[0] * columns[0]))
        graph.add_node(
            "Conv", [source, ones], [codes], name=node.name, kernel_shape=kernel, pads=pads_of_pool(node, *sizes),
            group=channels, strides=list(attribute(node, "strides", [1, 1])),
        )  # fmt: skip
        return given

    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range:
        """Means of values lie between them, and zero."""
        low, high = range_of(node.input[0])
        return min(low, 0), max(high, 0)

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """By the window."""
        pads, strides = attribute(node, "pads", [0] * 4), attribute(node, "strides", [1, 1])
        return window_size(size, attribute(node, "kernel_shape"), pads, strides)


class WindowSums(Sum):
    """Conv of ones, which `AveragePool` becomes."""

    inner = ("Conv",)
    told = "AveragePool"

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Ones alone."""
        return graph.datatypes.get(node.input[1]) == ONES

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Pad, Im2Col and the kernel."""
        result, kernel = node.output[0], tuple(attribute(node, "kernel_shape"))
        graph.remove(node)
        patches = image_patches(graph, node, kernel, list(attribute(node, "pads")))
        add_kernel(
            graph, WindowSum_rtl, [patches], [result], node.name, Taps=kernel[0] * kernel[1],
            outputDataType=graph.datatypes[result].name,
        )  # fmt: skip

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """By the window."""
        return window_size(size, attribute(node, "kernel_shape"), attribute(node, "pads"), attribute(node, "strides"))


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "average-pool, other windows",
        "any kernel, padding that is counted; equal strides; every window counts as many pixels; then a quantizer",
        "FMPadding, ConvolutionInputGenerator (FINN), WindowSum, Threshold (ours)",
    ),
)
OPERATORS = (AveragePool(), WindowSums())
