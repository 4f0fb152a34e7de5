"""Leaky ReLU: y = x where x >= 0, else slope * x, with one positive slope, or one a channel (`prelu`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.graph.bends import Bend, Leaky
from hw_build.graph.editor import GraphEditor, attribute
from hw_build.operators.operator import Monotonic

if TYPE_CHECKING:
    from onnx import NodeProto


class LeakyRelu(Monotonic):
    """LeakyRelu: its slope is an attribute."""

    names = ("LeakyRelu",)
    told = "LeakyRelu"

    def slopes(self, graph: GraphEditor, node: NodeProto) -> np.ndarray:
        """Slopes below zero, float64 (1 or C,)."""
        return np.asarray(attribute(node, "alpha", 0.01), np.float64).reshape(-1)

    def can_be_undone(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Where no slope falls, or is flat."""
        return bool(np.all(self.slopes(graph, node) > 0))

    def bends(self, graph: GraphEditor, node: NodeProto, channels: int) -> tuple[Bend, ...]:
        """A slope a channel."""
        return (Leaky(np.broadcast_to(self.slopes(graph, node), (channels,))),)

    def in_float32(self, graph: GraphEditor, node: NodeProto, value: np.ndarray) -> np.ndarray:
        """One product."""
        return np.where(value < 0, value * self.slopes(graph, node).astype(np.float32)[:, None], value)


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "LeakyRelu",
        "between a layer and a quantizer",
        "thresholds",
    ),
)
OPERATORS = (LeakyRelu(),)
