"""ReLU: y = max(x, 0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.graph.bends import Bend, Clip
from hw_build.operators.operator import Monotonic

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor


class Relu(Monotonic):
    """Relu."""

    names = ("Relu",)
    told = "Relu"

    def bends(self, graph: GraphEditor, node: NodeProto, channels: int) -> tuple[Bend, ...]:
        """A lower limit."""
        return (Clip(0.0, np.inf),)

    def in_float32(self, graph: GraphEditor, node: NodeProto, value: np.ndarray) -> np.ndarray:
        """Exact."""
        return np.maximum(value, np.float32(0))


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "ReLU",
        "between a layer and a quantizer",
        "thresholds",
    ),
)
OPERATORS = (Relu(),)
