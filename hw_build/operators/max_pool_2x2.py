"""Max pooling of 2x2 windows with stride 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qonnx.transformation.base import Transformation

from hw_build.graph.editor import QONNX_DOMAIN, GraphEditor, attribute
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.image_size import halved
from hw_build.kernels.maxpool import MaxPool2x2_rtl
from hw_build.operators.operator import Layer, Size

if TYPE_CHECKING:
    from onnx import NodeProto


class PoolsToKernels(Transformation):
    """MaxPoolNHWC -> a kernel."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("MaxPoolNHWC"):
            graph.remove(node)
            add_kernel(graph, MaxPool2x2_rtl, [node.input[0]], list(node.output), node.name)
        graph.commit()
        return model, False


class MaxPool2x2(Layer):
    """MaxPool."""

    names = ("MaxPool",)
    inner = ("MaxPoolNHWC",)
    told = "MaxPool 2x2"
    keeps_codes = by_channel = reads_windows = True
    placements = (PoolsToKernels(),)

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """A 2x2 window of stride 2 alone, of even sides: those of odd ones are other windows."""
        if node.op_type in self.inner:
            return True
        kernel, strides, dilations = (
            list(attribute(node, name, [1, 1])) for name in ("kernel_shape", "strides", "dilations")
        )
        padded = any(attribute(node, "pads", [0])) or attribute(node, "auto_pad", "NOTSET") != "NOTSET"
        is_half = kernel == strides == [2, 2] and dilations == [1, 1] and not padded and len(node.output) == 1
        return is_half and not any(side % 2 for side in graph.shapes.get(node.input[0], ())[2:])

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """As qonnx has it, and FINN takes it."""
        graph.remove(node)
        graph.add_node(
            "MaxPoolNHWC",
            [node.input[0]],
            [node.output[0]],
            name=node.name,
            domain=QONNX_DOMAIN,
            kernel_shape=[2, 2],
            strides=[2, 2],
            pads=[0, 0, 0, 0],
        )

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """Half."""
        return halved(node.name, node.op_type, size)


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "max-pool, 2x2",
        "2x2, stride 2, even sides",
        "MaxPool2x2 (ours)",
    ),
)
OPERATORS = (MaxPool2x2(),)
