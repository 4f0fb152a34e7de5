"""Bilinear upsampling by a power of two, half-pixel centres, with its thresholds in one kernel where they fit.

By f, of codes it is a multiple of 1/(2f)^2: so many times it is an integer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute, reject
from hw_build.graph.nodes import add_kernel, lowest_code, only_consumer
from hw_build.graph.ranges import fraction_type
from hw_build.kernels.bilinear import BilinearUpsample_rtl
from hw_build.kernels.bilinear_threshold import BilinearThreshold2x_rtl
from hw_build.operators.sum_thresholds import thresholds_of_sum
from hw_build.operators.upsampling import Upsampling, factor_of, refusal_of_factor, whole_factor

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.datatype import BaseDataType

    from hw_build.operators.operator import Arithmetic


FACTORS = (2, 4, 8, 16, 32)
_IN_ONE_KERNEL = 2  # with thresholds


class FuseBilinearThresholds(Transformation):
    """Resize by 2 - Mul(16) - MultiThreshold -> a kernel with a table of sums, or a shift."""

    def apply(self, model):
        graph = GraphEditor(model)
        for resize in _linear(graph):
            if factor_of(graph, resize) != _IN_ONE_KERNEL:
                continue
            source, factor = resize.input[0], only_consumer(graph, resize.output[0], "Mul")
            if factor is None:
                continue
            times, codes = _parts(_IN_ONE_KERNEL), graph.datatypes[source]
            steps = thresholds_of_sum(graph, factor, times * int(codes.min()), times * int(codes.max()))
            if steps is not None:
                graph.remove(resize, factor, steps)
                result = steps.output[0]
                add_kernel(
                    graph, BilinearThreshold2x_rtl, [source, steps.input[1]], [result], resize.name,
                    outputDataType=graph.datatypes[result].name, LowestCode=lowest_code(steps),
                )  # fmt: skip
        graph.commit()
        return model, False


class ResizesToKernels(Transformation):
    """Resize with the factor behind it -> a kernel."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in _linear(graph):
            times, factor = _times_behind(graph, node), whole_factor(graph, node)
            graph.remove(node, times)
            add_kernel(graph, BilinearUpsample_rtl, [node.input[0]], [times.output[0]], node.name, Factor=factor)
        graph.commit()
        return model, False


def _linear(graph: GraphEditor) -> list[NodeProto]:
    return [node for node in graph.of_type("Resize") if attribute(node, "mode", "nearest") == "linear"]


def _times_behind(graph: GraphEditor, node: NodeProto) -> NodeProto:
    times = only_consumer(graph, node.output[0], "Mul")
    if times is None:
        raise reject(node, "has no integer factor of its own after it")
    return times


def _parts(factor: int) -> int:
    """Of a code, in which upsampling by ``factor`` gives integers."""
    return (2 * factor) ** 2


class Bilinear(Upsampling):
    """Resize, linear."""

    told = "Resize bilinear x2, x4, ..."
    form: ClassVar[dict[str, str]] = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    fusions = (FuseBilinearThresholds(),)
    placements = hls_passes = (ResizesToKernels(),)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Other modes and factors."""
        mode, coordinates = (
            attribute(node, "mode", "nearest"),
            attribute(node, "coordinate_transformation_mode", "half_pixel"),
        )
        if mode == "linear" and coordinates == "align_corners":
            return (
                "resizes by linear, align_corners: its weights are multiples of 1/(rows - 1) and 1/(columns - 1), and "
                "float32 rounds them, so that no two implementations give the same codes of large images: train and "
                "export it with align_corners=False"
            )
        if mode != "linear" or coordinates not in ("half_pixel", "pytorch_half_pixel"):
            return (
                f"resizes by {mode}, {coordinates}: only bilinear (linear, half_pixel) lowers, as PyTorch exports "
                "mode='bilinear', align_corners=False"
            )
        if attribute(node, "antialias", 0):
            return "resizes with antialias, which does nothing where an image is enlarged: export it without"
        told = ", ".join(map(str, FACTORS[:-1]))
        return refusal_of_factor(graph, node, "linear", f"a factor of {told} or {FACTORS[-1]}", FACTORS)

    def integer_type(self, graph: GraphEditor, node: NodeProto, types: list[BaseDataType]) -> BaseDataType:
        """Multiples of a power of two."""
        return fraction_type(types[0], self.parts(graph, node).bit_length() - 1)

    def behind_codes(self, graph: GraphEditor, node: NodeProto, scales: list[float]) -> list[Arithmetic]:
        """Their scale."""
        return [("Mul", scales[0])]

    def parts(self, graph: GraphEditor, node: NodeProto) -> int:
        """Sixteen, by two."""
        return _parts(whole_factor(graph, node))


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "bilinear upsampling",
        "factor 2, 4, 8, 16 or 32, `align_corners=False`, then a quantizer",
        "BilinearThreshold2x (ours); for larger factors, or wide codes: BilinearUpsample (ours) and Threshold",
    ),
)
OPERATORS = (Bilinear(),)
