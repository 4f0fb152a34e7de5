"""Hard sigmoid: y = min(max(alpha * x + beta, 0), 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.graph.bends import Bend, Clip, Factor
from hw_build.graph.editor import GraphEditor, attribute
from hw_build.operators.operator import Monotonic

if TYPE_CHECKING:
    from onnx import NodeProto


class HardSigmoid(Monotonic):
    """HardSigmoid."""

    names = ("HardSigmoid",)
    told = "HardSigmoid"

    def bends(self, graph: GraphEditor, node: NodeProto, channels: int) -> tuple[Bend, ...]:
        """A factor and two limits."""
        alpha, beta = float(attribute(node, "alpha", 0.2)), float(attribute(node, "beta", 0.5))
        return Factor(np.full(channels, alpha), np.full(channels, beta)), Clip(0.0, 1.0)

    def in_float32(self, graph: GraphEditor, node: NodeProto, value: np.ndarray) -> np.ndarray:
        """Product and sum rounded apart."""
        alpha, beta = np.float32(attribute(node, "alpha", 0.2)), np.float32(attribute(node, "beta", 0.5))
        return np.clip(value * alpha + beta, np.float32(0), np.float32(1))


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "HardSigmoid",
        "between a layer and a quantizer",
        "thresholds",
    ),
)
OPERATORS = (HardSigmoid(),)
