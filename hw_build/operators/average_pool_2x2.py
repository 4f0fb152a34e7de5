"""Average pooling of 2x2 windows with stride 2: of codes a multiple of 1/4, so four times it is an integer.

There is no standard node of it on channels-last tensors: from the step `lower` on it is its kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.graph.editor import GraphEditor, attribute, reject
from hw_build.graph.nodes import add_kernel, only_consumer
from hw_build.graph.ranges import fraction_type
from hw_build.kernels.average_pool import AveragePool2x2_rtl
from hw_build.kernels.image_size import halved
from hw_build.operators.operator import Arithmetic, Layer, Range, RangeOf, Size

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.datatype import BaseDataType

PIXELS = 4


class AveragePool2x2(Layer):
    """AveragePool."""

    names = ("AveragePool",)
    told = "AveragePool 2x2"
    reads_windows = keeps_range = by_channel = True

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """2x2 with stride 2, without padding and dilation, of even sides: those of odd ones are other windows."""
        sides = [list(attribute(node, name, [1, 1])) for name in ("kernel_shape", "strides")]
        padded = any(attribute(node, "pads", [0])) or attribute(node, "auto_pad", "NOTSET") not in ("NOTSET", "VALID")
        dilated = any(each != 1 for each in attribute(node, "dilations", [1]))
        is_half = sides == [[2, 2], [2, 2]] and not (padded or dilated or attribute(node, "ceil_mode", 0))
        return is_half and not any(side % 2 for side in graph.shapes.get(node.input[0], ())[2:])

    def integer_type(self, graph: GraphEditor, node: NodeProto, types: list[BaseDataType]) -> BaseDataType:
        """Quarters."""
        return fraction_type(types[0], 2)

    def behind_codes(self, graph: GraphEditor, node: NodeProto, scales: list[float]) -> list[Arithmetic]:
        """Their scale."""
        return [("Mul", scales[0])]

    def parts(self, graph: GraphEditor, node: NodeProto) -> int:
        """Four pixels."""
        return PIXELS

    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range:
        """Means of values lie between them."""
        return range_of(node.input[0])

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """The node and its factor 4 are one kernel."""
        factor = only_consumer(graph, node.output[0], "Mul")
        if factor is None:
            raise reject(node, "has no integer factor of its own after it")
        graph.remove(node, factor)
        add_kernel(graph, AveragePool2x2_rtl, [node.input[0]], [factor.output[0]], node.name)

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """Half."""
        return halved(node.name, node.op_type, size)


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "average-pool, 2x2",
        "2x2, stride 2, even sides, then a quantizer",
        "AveragePool2x2 (ours), Threshold",
    ),
)
OPERATORS = (AveragePool2x2(),)
