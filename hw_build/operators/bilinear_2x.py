"""Bilinear upsampling by two, half-pixel centres, with its thresholds in one kernel where they fit.

Of codes it is a multiple of 1/16: sixteen times it is an integer.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute, reject
from hw_build.graph.nodes import add_kernel, only_consumer
from hw_build.graph.ranges import fraction_type, scaled_type
from hw_build.kernels.bilinear import BilinearUpsample2x_rtl
from hw_build.kernels.bilinear_threshold import BilinearThreshold2x_rtl
from hw_build.operators.sum_thresholds import thresholds_of_sum
from hw_build.operators.upsampling import Upsampling

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.datatype import BaseDataType

    from hw_build.operators.operator import Size

FACTOR = 16


class FuseBilinearThresholds(Transformation):
    """Resize - Mul(16) - MultiThreshold of unsigned codes -> a kernel with a table of sums, or a shift."""

    def apply(self, model):
        graph = GraphEditor(model)
        for resize in _linear(graph):
            source, factor = resize.input[0], only_consumer(graph, resize.output[0], "Mul")
            if factor is None:
                continue
            steps = thresholds_of_sum(graph, factor, [source], FACTOR * int(graph.datatypes[source].max()))
            if steps is not None:
                graph.remove(resize, factor, steps)
                result = steps.output[0]
                add_kernel(
                    graph, BilinearThreshold2x_rtl, [source, steps.input[1]], [result], resize.name,
                    outputDataType=graph.datatypes[result].name,
                )  # fmt: skip
        graph.commit()
        return model, False


class ResizesToKernels(Transformation):
    """Resize with its factor 16 -> a kernel."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in _linear(graph):
            factor = _factor_of(graph, node)
            graph.remove(node, factor)
            add_kernel(graph, BilinearUpsample2x_rtl, [node.input[0]], [factor.output[0]], node.name)
        graph.commit()
        return model, False


def _linear(graph: GraphEditor) -> list[NodeProto]:
    return [node for node in graph.of_type("Resize") if attribute(node, "mode", "nearest") == "linear"]


def _factor_of(graph: GraphEditor, node: NodeProto) -> NodeProto:
    factor = only_consumer(graph, node.output[0], "Mul")
    if factor is None:
        raise reject(node, "has no integer factor of its own after it")
    return factor


class Bilinear2x(Upsampling):
    """Resize, linear."""

    told = "Resize bilinear x2"
    form: ClassVar[dict[str, str]] = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    factor = FACTOR
    fusions = (FuseBilinearThresholds(),)
    placements = hls_passes = (ResizesToKernels(),)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Other modes and factors."""
        mode, coordinates = (
            attribute(node, "mode", "nearest"),
            attribute(node, "coordinate_transformation_mode", "half_pixel"),
        )
        before, after = graph.shapes.get(node.input[0]), graph.shapes.get(node.output[0])
        if mode != "linear" or coordinates not in ("half_pixel", "pytorch_half_pixel"):
            return f"resizes by {mode}, {coordinates}: only bilinear (linear, half_pixel) lowers"
        if before and after and after != (before[0], before[1], 2 * before[2], 2 * before[3]):
            return f"resizes {before[2]}x{before[3]} to {after[2]}x{after[3]}: only a factor of exactly 2 lowers"
        return None

    def row_step(self, graph: GraphEditor, node: NodeProto) -> Fraction:
        """Two rows of each."""
        return Fraction(1, 2)

    def integer_type(self, graph: GraphEditor, node: NodeProto, types: list[BaseDataType]) -> BaseDataType:
        """Sixteenths."""
        return fraction_type(types[0], 4)

    def scaled_type(self, types: list[BaseDataType], before: BaseDataType) -> BaseDataType:
        """Sixteen codes."""
        return scaled_type(types[0], FACTOR)

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Twice as large."""
        self.enlarge_channels_last(graph, node, 2)

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """Twice as large."""
        return 2 * size[0], 2 * size[1]


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "bilinear upsampling",
        "factor 2, `align_corners=False`, then a quantizer",
        "BilinearThreshold2x (ours), or BilinearUpsample2x and Threshold where codes are signed or wide",
    ),
)
OPERATORS = (Bilinear2x(),)
