"""Quantizers: of weights and biases, which become integers, and of activations, which become thresholds.

Thresholds that no other kernel takes are a kernel of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import ONNX_DOMAINS, GraphEditor, attribute, set_attribute
from hw_build.graph.nodes import add_kernel, lowest_code
from hw_build.graph.rounding import ROUNDING_MODES
from hw_build.kernels.threshold import Threshold_rtl
from hw_build.operators.constants import QUANT, is_bias_quant, is_weight_quant
from hw_build.operators.operator import Operator, constants_to_channels_first

if TYPE_CHECKING:
    from onnx import NodeProto


def per_channel(graph: GraphEditor, name: str, channels: int) -> str:
    """The thresholds ``name``, (1 or C, n), as (C, n)."""
    steps = graph.constants[name]
    if steps.shape[0] == channels:
        return name
    tiled = np.broadcast_to(steps, (channels, steps.shape[1]))
    return graph.add_constant(f"{name}_tiled", tiled, graph.datatypes[name])


class ThresholdsToKernels(Transformation):
    """A MultiThreshold on its own -> a kernel."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("MultiThreshold"):
            source, result = node.input[0], node.output[0]
            graph.remove(node)
            add_kernel(
                graph,
                Threshold_rtl,
                [source, node.input[1]],
                [result],
                node.name,
                ThresholdRows=graph.constants[node.input[1]].shape[0],
                outputDataType=graph.datatypes[result].name,
                LowestCode=lowest_code(node),
            )
        graph.commit()
        return model, False


class Quantizer(Operator):
    """Quant, after the step `convert` a MultiThreshold."""

    names = QUANT
    inner = ("MultiThreshold",)
    domains = (*ONNX_DOMAINS, "onnx.brevitas", "qonnx.custom_op.general")
    told = "Quant"
    any_layout = elementwise = per_channel = True
    fusions = (ThresholdsToKernels(),)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Scales, zero points, widths and rounding."""
        if any(name not in graph.constants for name in node.input[1:]):
            return "has a scale, zero point or bit width that is not a constant"
        scale, zero_point, bits = (graph.constants[name] for name in node.input[1:4])
        if scale.size < 1:
            return "has a scale without a value"
        if bits.size != 1 or zero_point.size < 1:
            return f"has {bits.size} bit widths and {zero_point.size} zero points: one bit width and a zero point lower"
        if np.any(zero_point != 0):
            return f"has zero point {np.ravel(zero_point)[0]:g}: only zero point 0 lowers"
        rounding = attribute(node, "rounding_mode", "ROUND").upper()
        if rounding not in ROUNDING_MODES:
            return f"rounds by {rounding}: only {', '.join(ROUNDING_MODES)} lower"
        highest = 32 if is_bias_quant(graph, node) else 8
        if not 2 <= float(bits.item()) <= highest or float(bits.item()) % 1:
            return f"has bit width {np.ravel(bits)[0]:g}: an integer from 2 to {highest} lowers"
        if np.any(scale <= 0):
            return "has a scale that is not positive"
        if not is_weight_quant(graph, node) and scale.size != 1:
            return f"quantizes activations with {scale.size} scales: one scale per activation tensor lowers"
        return None

    def to_channels_first(self, graph: GraphEditor, node: NodeProto) -> None:
        """Constants with it."""
        constants_to_channels_first(graph, node)

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Thresholds stay as they are."""
        set_attribute(node, "data_layout", "NHWC")


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "quantizer of activations",
        "one scale per tensor, zero point 0, any rounding mode of QONNX",
        "thresholds inside the layer before it, or Threshold (ours)",
    ),
    (
        "quantizer of activations, more than 5 bits",
        "equally spaced thresholds, as BN and a quantizer make them",
        "multiplication, addition and shift in the same kernel, proved equal for every sum; otherwise thresholds",
    ),
)
OPERATORS = (Quantizer(),)
