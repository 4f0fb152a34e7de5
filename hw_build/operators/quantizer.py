"""Quantizers: of weights and biases, which become integers, and of activations, which become thresholds.

Thresholds that no other kernel takes are a kernel of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.custom_op.general.intquant import max_int, min_int
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import (
    ONNX_DOMAINS,
    QONNX_DOMAIN,
    GraphEditor,
    attribute,
    set_attribute,
    smallest_integer_type,
)
from hw_build.graph.nodes import add_kernel, lowest_code
from hw_build.graph.rounding import ROUNDING_MODES, code_thresholds
from hw_build.kernels.threshold import Threshold_rtl
from hw_build.operators.constants import QUANT, is_bias_quant, is_weight_quant
from hw_build.operators.operator import Operator, constants_to_channels_first

if TYPE_CHECKING:
    from onnx import NodeProto

_IMAGE_AXES = 3  # channels, height, width


def per_channel(graph: GraphEditor, name: str, channels: int) -> str:
    """The thresholds ``name``, (1 or C, n), as (C, n)."""
    steps = graph.constants[name]
    if steps.shape[0] == channels:
        return name
    tiled = np.broadcast_to(steps, (channels, steps.shape[1]))
    return graph.add_constant(f"{name}_tiled", tiled, graph.datatypes[name])


def put_thresholds(
    graph: GraphEditor, node: NodeProto, lowest: int, highest: int, steps: np.ndarray, scale: float
) -> None:
    """Mul(MultiThreshold(x), scale) in the place of ``node``.

    Codes are ``lowest`` to ``highest``; ``steps`` (n,) are the least values of all but the first.
    """
    result, datatype = node.output[0], smallest_integer_type(lowest, highest)
    codes = graph.add_tensor(f"{result}_codes", graph.shapes[result], datatype)
    thresholds = graph.add_constant(f"{result}_thresholds", steps.reshape(1, -1))
    graph.remove(node)
    graph.add_node(
        "MultiThreshold", [node.input[0], thresholds], [codes], name=node.name, domain=QONNX_DOMAIN,
        out_dtype=datatype.name, out_bias=float(lowest), data_layout="NCHW",
    )  # fmt: skip
    factor = graph.add_constant(f"{result}_scale", scale)
    graph.add_node("Mul", [codes, factor], [result], name=f"{node.name}_scale")


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

    def rewrite(self, graph: GraphEditor, node: NodeProto) -> bool:
        """With a scale for each channel: of channels divided by these, and a factor of each behind it."""
        scale, channels = graph.constants.get(node.input[1]), graph.shapes.get(node.input[0], ())[1:2]
        one_of_image = node.op_type not in QUANT or is_weight_quant(graph, node) or node.input[0] in graph.inputs
        if one_of_image or scale is None or scale.size == 1 or not np.all(np.isfinite(scale) & (scale > 0)):
            return False
        if np.ptp(scale) == 0:
            node.input[1] = graph.add_constant(f"{node.input[1]}_of_all", scale.flat[0])
            graph.touch()
            return True
        if scale.ndim < _IMAGE_AXES or (scale.size,) != channels or scale.shape[-_IMAGE_AXES] != scale.size:
            return False
        source, result, shape = node.input[0], node.output[0], graph.shapes[node.input[0]]
        name = graph.add_constant(f"{node.input[1]}_of_channels", scale.reshape(1, -1, 1, 1))
        node.input[0] = graph.add_tensor(f"{result}_divided", shape)
        node.output[0] = graph.add_tensor(f"{result}_of_one_scale", shape)
        node.input[1] = graph.add_constant(f"{result}_one", 1.0)
        graph.add_node("Div", [source, name], [node.input[0]], name=f"{node.name}_divided")
        graph.add_node("Mul", [node.output[0], name], [result], name=f"{node.name}_scales")
        return True

    def to_thresholds(self, graph: GraphEditor, node: NodeProto) -> None:
        """Thresholds, and a factor behind them."""
        if node.op_type not in QUANT:
            return
        scale, _, bits = (float(graph.constants[name].item()) for name in node.input[1:4])
        signed, narrow = bool(attribute(node, "signed", 1)), bool(attribute(node, "narrow", 0))
        lowest, highest = int(min_int(signed, narrow, bits)), int(max_int(signed, narrow, bits))
        steps = code_thresholds(np.arange(lowest + 1, highest + 1), scale, attribute(node, "rounding_mode", "ROUND"))
        put_thresholds(graph, node, lowest, highest, steps, scale)

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
