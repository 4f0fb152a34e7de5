"""Nearest upsampling by a whole factor: each code is repeated."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute, reject
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.nearest import NearestUpsample_rtl
from hw_build.operators.upsampling import Upsampling

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.operators.operator import Size

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
                factor = _factor(graph, node)
                add_kernel(graph, NearestUpsample_rtl, [node.input[0]], [node.output[0]], node.name, Factor=factor)
        graph.commit()
        return model, False


def is_nearest(node: NodeProto) -> bool:
    """Of the forms of Resize."""
    return attribute(node, "mode", "nearest") == "nearest"


def _factor(graph: GraphEditor, node: NodeProto) -> int | None:
    """The whole factor of both sides, of a channels-first or channels-last image; None where there is none."""
    scales = graph.constants.get(node.input[2]) if len(node.input) > 2 else None
    if scales is None or scales.size != 4:  # by the size of the output
        before, after = graph.shapes[node.input[0]], graph.shapes[node.output[0]]
        scales = np.divide(after, before)
    factor = int(max(scales))
    whole = factor >= 2 and sorted(scales) == [1, 1, factor, factor] and scales[2] == factor
    return factor if whole else None


def _whole_factor(graph: GraphEditor, node: NodeProto) -> int:
    """`_factor` of a node that was not refused."""
    factor = _factor(graph, node)
    if factor is None:
        raise reject(node, "resizes by nearest, but by no whole factor, the same for height and width")
    return factor


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
        factor = _factor(graph, node) if before and after else 2
        if before and after and factor is None:
            return (
                f"resizes {before[2]}x{before[3]} to {after[2]}x{after[3]} by nearest: only a whole factor, the same "
                "for height and width, lowers"
            )
        if rounding not in _REPEATING and not (rounding == _ROUNDED and factor == 2):
            return (
                f"resizes by nearest with {rounding[0]} and {rounding[1]}, which does not repeat each pixel {factor} "
                "times: export it with asymmetric and floor, as PyTorch does"
            )
        return None

    def row_step(self, graph: GraphEditor, node: NodeProto) -> Fraction:
        """As many rows of each as the factor says."""
        return Fraction(1, _factor(graph, node) or 1)

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """As many times as large."""
        self.enlarge_channels_last(graph, node, _whole_factor(graph, node))

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """As many times as large."""
        factor = _whole_factor(graph, node)
        return factor * size[0], factor * size[1]


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "nearest upsampling",
        "whole factor, the same for both sides",
        "NearestUpsample (ours)",
    ),
)
OPERATORS = (NearestUpsampling(),)
