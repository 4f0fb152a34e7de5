"""Average of all pixels: a sum of codes, and a division by their number, which thresholds take.

Means are divided after they are summed, as onnxruntime does it. From the step `lower` on the sum is its kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.base.errors import ConfigError
from hw_build.graph.editor import GraphEditor, attribute, set_attribute
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.global_sum import GlobalSum_rtl
from hw_build.operators.dense import vector_behind
from hw_build.operators.means import Sum, behind_mean, misfit_of_sum, put_mean, reduced_axes

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.operators.operator import Arithmetic, Size


class GlobalAverage(Sum):
    """GlobalAveragePool, and ReduceMean over height and width."""

    names = ("GlobalAveragePool", "ReduceMean")
    inner = ("ReduceSum",)
    told = "GlobalAveragePool"
    keeps_range = by_channel = True

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Means over other axes than height and width."""
        axes = reduced_axes(graph, node)
        if node.op_type == "ReduceMean" and (axes is None or sorted(axis % 4 for axis in axes) != [2, 3]):
            return f"averages over the axes {axes}: only height and width together, axes 2 and 3, lower"
        return None

    def rewrite(self, graph: GraphEditor, node: NodeProto) -> bool:
        """A mean that loses height and width: a pixel, and a vector of it."""
        shape, result = graph.shapes.get(node.input[0]), node.output[0]
        if attribute(node, "keepdims", 1) or not shape or self.refusal(graph, node) is not None:
            return False
        set_attribute(node, "keepdims", 1)
        node.output[0] = graph.add_tensor(f"{result}_pixel", (*shape[:2], 1, 1))
        graph.touch()
        vector_behind(graph, f"{node.name}_vector", node.output[0], result)
        return True

    def to_integers(self, graph: GraphEditor, node: NodeProto, scales: list[float]) -> dict[str, tuple[str, float]]:
        """ReduceSum of codes, times their scale, divided by their number."""
        source, result = node.input[0], node.output[0]
        pixels = graph.shapes[source][2] * graph.shapes[source][3]
        axes = graph.add_constant(f"{result}_axes", [2, 3], dtype=np.int64)
        codes, given = put_mean(graph, node, scales[0], pixels, pixels)
        graph.add_node("ReduceSum", [source, axes], [codes], name=node.name, keepdims=1)
        return given

    def behind_codes(self, graph: GraphEditor, node: NodeProto, scales: list[float]) -> list[Arithmetic] | None:
        """Sums of all pixels, and then as onnxruntime divides."""
        _, _, height, width = graph.shapes[node.input[0]]
        return behind_mean(scales[0], height * width)

    def misfit(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Frames whose sums float32 would round."""
        shape = graph.shapes.get(node.input[0])
        return misfit_of_sum(*shape[2:]) if shape and len(shape) == 4 else None

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Its kernel."""
        source, result = node.input[0], node.output[0]
        graph.remove(node)
        add_kernel(graph, GlobalSum_rtl, [source], [result], node.name, outputDataType=graph.datatypes[result].name)

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """One pixel; a sum that is divided already has its own size."""
        if node.op_type == "ReduceSum" and tuple(graph.shapes[node.input[0]][2:]) != tuple(size):
            raise ConfigError(
                f"{node.name} was lowered for another number of pixels than {size[0]}x{size[1]}: set the size before"
            )
        return 1, 1


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "global average",
        "GlobalAveragePool, ReduceMean over height and width; then a quantizer",
        "GlobalSum (ours), Threshold",
    ),
)

OPERATORS = (GlobalAverage(),)
