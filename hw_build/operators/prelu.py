"""PReLU: leaky ReLU whose slopes are an input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.operators.leaky_relu import LeakyRelu

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor


class PRelu(LeakyRelu):
    """PRelu with constant slopes."""

    names = ("PRelu",)
    told = "PRelu"

    def slopes(self, graph: GraphEditor, node: NodeProto) -> np.ndarray:
        """The constant, float64 (1 or C,)."""
        return np.asarray(graph.constants[node.input[1]], np.float64).reshape(-1)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Slopes that are computed."""
        if node.input[1] not in graph.constants:
            return "has a limit or slope that is not a constant"
        return None


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "PRelu",
        "between a layer and a quantizer",
        "thresholds",
    ),
)
OPERATORS = (PRelu(),)
