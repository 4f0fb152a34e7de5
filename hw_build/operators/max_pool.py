"""Max pooling of any window: windows of the image, and their greatest.

Padding stands for no value at all; among unsigned codes a zero, the least, does the same. Where signed codes are
padded, the least is taken off before, and added again behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qonnx.core.datatype import DataType

from hw_build.graph.editor import GraphEditor, attribute
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

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Pad, Im2Col and the kernel."""
        source, result = node.input[0], node.output[0]
        kernel = tuple(attribute(node, "kernel_shape"))
        (_, *size, _), (_, *after, _) = (graph.shapes[name] for name in (source, result))
        pads, codes = pads_of_pool(node, tuple(size), tuple(after)), graph.datatypes[source]
        graph.remove(node)
        least = int(codes.min()) if any(pads) else 0
        if least:
            unsigned = DataType[f"UINT{codes.bitwidth()}"]
            node.input[0] = graph.add_tensor(f"{result}_counted", graph.shapes[source], unsigned)
            maxima = graph.add_tensor(f"{result}_maxima", graph.shapes[result], unsigned)
            self._add(graph, source, -least, node.input[0], f"{node.name}_counted")
            self._add(graph, maxima, least, result, f"{node.name}_signed")
            result = maxima
        patches = image_patches(graph, node, kernel, pads)
        add_kernel(graph, WindowMax_rtl, [patches], [result], node.name, Taps=kernel[0] * kernel[1])

    @staticmethod
    def _add(graph: GraphEditor, source: str, number: int, result: str, name: str) -> None:
        constant = graph.add_constant(f"{result}_plus", [number], DataType["INT9"])
        graph.add_node("Add", [source, constant], [result], name=name)

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """By the window."""
        strides, dilations = (attribute(node, name, [1, 1]) for name in ("strides", "dilations"))
        return window_size(size, attribute(node, "kernel_shape"), attribute(node, "pads", [0] * 4), strides, dilations)


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "max-pool, other windows",
        "any kernel, padding, dilation, `ceil_mode`; equal strides; 2x2 of odd sides",
        "ZeroPad (ours), ConvolutionInputGenerator (FINN), WindowMax (ours); if signed codes are padded, ChannelBias "
        "(ours) makes them unsigned before it, and signed after it",
    ),
)
OPERATORS = (MaxPool(),)
