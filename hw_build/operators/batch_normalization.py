"""Batch normalization at inference: a gain and an offset of each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.graph.editor import GraphEditor, attribute
from hw_build.operators.filters import RANK
from hw_build.operators.operator import Affine
from hw_build.operators.quantized_input import before_first_quantizer

if TYPE_CHECKING:
    from onnx import NodeProto

PARAMETERS = ("scale", "shift", "mean", "variance")


class BatchNormalization(Affine):
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta."""

    names = ("BatchNormalization",)
    told = "BatchNormalization"
    any_layout = elementwise = False  # of axis 1, whatever that is

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Before the image is quantized."""
        return before_first_quantizer(graph, node)

    def misfit(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Parameters for other channels."""
        source = graph.shapes.get(node.input[0])
        for what, name in zip(PARAMETERS, node.input[1:], strict=True):
            if name not in graph.constants:
                return f"has a {what} that is not a constant"
            if source and len(source) == RANK and graph.constants[name].size != source[1]:
                return f"has a {what} of {graph.constants[name].size} values for {source[1]} channels"
        return None

    def to_channels_first(self, graph: GraphEditor, node: NodeProto) -> None:
        """Its parameters are one a channel in either layout."""

    def gain_and_offset(self, graph: GraphEditor, node: NodeProto, channels: int) -> tuple[np.ndarray, np.ndarray]:
        """In float64."""
        gamma, beta, mean, variance = (graph.constants[name].astype(np.float64) for name in node.input[1:5])
        gain = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
        return gain, beta - mean * gain

    def in_float32(self, graph: GraphEditor, node: NodeProto, value: np.ndarray) -> np.ndarray:
        """As onnxruntime does it."""
        gamma, beta, mean, variance = (graph.constants[name].astype(np.float32) for name in node.input[1:5])
        gain = np.float32(1) / np.sqrt(variance + np.float32(attribute(node, "epsilon", 1e-5))) * gamma
        return value * gain[:, None] + (beta - mean * gain)[:, None]


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "BN",
        "between a layer and a quantizer",
        "thresholds",
    ),
)
OPERATORS = (BatchNormalization(),)
