"""Clip, ReLU6 among them: y = min(max(x, low), high)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.graph.bends import Bend
from hw_build.graph.bends import Clip as Limits
from hw_build.operators.operator import Monotonic

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor


class Clip(Monotonic):
    """Clip with constant limits, either of which may lack."""

    names = ("Clip",)
    told = "Clip"
    may_be_infinite = True

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Limits that are computed."""
        if any(name and name not in graph.constants for name in node.input[1:]):
            return "has a limit or slope that is not a constant"
        return None

    def bends(self, graph: GraphEditor, node: NodeProto, channels: int) -> tuple[Bend, ...]:
        """Both limits."""
        return (Limits(*_limits(graph, node)),)

    def in_float32(self, graph: GraphEditor, node: NodeProto, value: np.ndarray) -> np.ndarray:
        """Exact."""
        low, high = _limits(graph, node)
        return np.clip(value, np.float32(low), np.float32(high))


def _limits(graph: GraphEditor, node: NodeProto) -> tuple[float, float]:
    """Lower and upper limit; infinite where it has none."""
    limits = []
    for name, none in zip([*node.input[1:], "", ""], (-np.inf, np.inf), strict=False):
        limits.append(float(graph.constants[name].item()) if name else none)
    return limits[0], limits[1]


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "Clip, ReLU6",
        "between a layer and a quantizer",
        "thresholds",
    ),
)
OPERATORS = (Clip(),)
