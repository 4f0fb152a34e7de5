"""Nearest upsampling by a whole factor: each code is repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.nearest import NearestUpsample_rtl
from hw_build.operators.upsampling import Upsampling, factor_of, refusal_of_factor

if TYPE_CHECKING:
    from onnx import NodeProto

# (coordinate_transformation_mode, nearest_mode) that repeat each pixel for every whole factor, by ONNX' definition
_REPEATING = {
    ("asymmetric", "floor"),
    *((centres, tie) for centres in ("half_pixel", "pytorch_half_pixel")
      for tie in ("round_prefer_floor", "round_prefer_ceil")),
}  # fmt: skip
_ROUNDED = ("asymmetric", "round_prefer_floor")  # for a factor of 2 alone: halves go down


class NearestToKernels(Transformation):
    """Resize, nearest -> a kernel."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("Resize"):
            if is_nearest(node):
                graph.remove(node)
                factor = factor_of(graph, node)
                add_kernel(graph, NearestUpsample_rtl, [node.input[0]], [node.output[0]], node.name, Factor=factor)
        graph.commit()
        return model, False


def is_nearest(node: NodeProto) -> bool:
    """Of the forms of Resize."""
    return attribute(node, "mode", "nearest") == "nearest"


class NearestUpsampling(Upsampling):
    """Resize, nearest."""

    told = "Resize nearest x2, x3, ..."
    keeps_codes = True
    form: ClassVar[dict[str, str]] = {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
    }
    placements = hls_passes = (NearestToKernels(),)

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Of Resize, mode nearest."""
        return is_nearest(node)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Other factors, and roundings that do not repeat each pixel."""
        before, after = graph.shapes.get(node.input[0]), graph.shapes.get(node.output[0])
        rounding = (
            attribute(node, "coordinate_transformation_mode", "half_pixel"),
            attribute(node, "nearest_mode", "round_prefer_floor"),
        )
        if (why := refusal_of_factor(graph, node, "nearest", "a whole factor", ())) is not None:
            return why
        factor = factor_of(graph, node) if before and after else 2
        if rounding not in _REPEATING and not (rounding == _ROUNDED and factor == 2):
            return (
                f"resizes by nearest with {rounding[0]} and {rounding[1]}, which does not repeat each pixel {factor} "
                "times: export it with asymmetric and floor, as PyTorch does"
            )
        return None


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "nearest upsampling",
        "integer factor, the same for height and width",
        "NearestUpsample (ours)",
    ),
)
OPERATORS = (NearestUpsampling(),)
