"""Zeros around an image: intake lets the layers behind them pad; what is left of Pad nodes does not lower.

The step `lower` puts Pad nodes of its own before windows, on channels-last tensors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.graph.editor import GraphEditor, attribute
from hw_build.kernels.rows import window_size
from hw_build.operators.operator import Operator, Size
from hw_build.operators.windows import padding_of

if TYPE_CHECKING:
    from onnx import NodeProto


class Padding(Operator):
    """Pad."""

    names = ("Pad",)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str:
        """Always: no layer could take it over."""
        mode = attribute(node, "mode", "constant")
        if mode != "constant":
            return f"pads by mode {mode}: only zeros lower, before convolutions"
        readers = ", ".join(sorted({reader.op_type for reader in graph.consumers(node.output[0])})) or "the output"
        return (
            f"pads in a way, or for a reader ({readers}), that no convolution can take over: only zeros around height "
            "and width, read by convolutions alone, lower"
        )

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """Larger by its zeros."""
        return window_size(size, (1, 1), padding_of(graph, node))


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "Pad",
        "zeros around height and width, before a convolution or a pooling",
        "the padding of the layer behind it",
    ),
)
OPERATORS = (Padding(),)
