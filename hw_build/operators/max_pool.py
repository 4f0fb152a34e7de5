"""Max pooling of any window: windows of the image, and their greatest.

Padding stands for no value at all; among unsigned codes a zero, the least, does the same.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from hw_build.graph.editor import GraphEditor, attribute, reject
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.rows import window_size
from hw_build.kernels.window_max import WindowMax_rtl
from hw_build.operators.finn_nodes import PatchesToSlidingWindows
from hw_build.operators.operator import Layer, Size
from hw_build.operators.windows import image_patches, pads_of_pool, refusal_of_pool

if TYPE_CHECKING:
    from onnx import NodeProto


class MaxPool(Layer):
    """MaxPool."""

    names = ("MaxPool",)
    told = "MaxPool"
    keeps_codes = by_channel = reads_windows = True
    placements = (PatchesToSlidingWindows(),)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Unequal strides, pads by name, indices, windows of one pixel."""
        if len(node.output) > 1 and node.output[1]:
            return "also gives indices: only the maxima lower"
        if (why := refusal_of_pool(node)) is not None:
            return why
        if list(attribute(node, "kernel_shape")) == [1, 1]:
            return "has kernel [1, 1]: take it out, or reduce by a convolution of stride 2"
        strides = attribute(node, "strides", [1, 1])
        sizes = [graph.shapes.get(name, ())[2:] for name in (node.input[0], node.output[0])]
        pads = attribute(node, "pads", [0] * 4)
        if any(strides[0] * (after - 1) >= before + pad for before, after, pad in zip(*sizes, pads, strict=False)):
            return "has a last window that lies in padding alone, as ceil_mode may ask for: export it without ceil_mode"
        return None

    def row_step(self, graph: GraphEditor, node: NodeProto) -> Fraction:
        """The stride."""
        return Fraction(attribute(node, "strides", [1])[0])

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Pad, Im2Col and the kernel."""
        source, result = node.input[0], node.output[0]
        kernel = tuple(attribute(node, "kernel_shape"))
        (_, *size, _), (_, *after, _) = (graph.shapes[name] for name in (source, result))
        pads = pads_of_pool(node, tuple(size), tuple(after))
        if any(pads) and graph.datatypes[source].signed():
            raise reject(node, "pads signed codes, whose least is not zero: quantize unsigned, or pool without padding")
        graph.remove(node)
        patches = image_patches(graph, node, kernel, pads)
        add_kernel(graph, WindowMax_rtl, [patches], [result], node.name, Taps=kernel[0] * kernel[1])

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """By the window."""
        strides, dilations = (attribute(node, name, [1, 1]) for name in ("strides", "dilations"))
        return window_size(size, attribute(node, "kernel_shape"), attribute(node, "pads", [0] * 4), strides, dilations)


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "max-pool, other windows",
        "any kernel, padding (of unsigned codes), dilation, `ceil_mode`; equal strides",
        "ZeroPad (ours), ConvolutionInputGenerator (FINN), WindowMax (ours)",
    ),
)
OPERATORS = (MaxPool(),)
