"""Mul, Add, Sub and Div with one constant: before a quantizer a gain and an offset, which become thresholds.

A constant sum of integers that stands before no thresholds, as after the head's convolution, is a kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, reject, smallest_integer_type
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.bias import ChannelBias_rtl
from hw_build.operators.code_functions import unfit_constant
from hw_build.operators.operator import Affine, Range, RangeOf
from hw_build.operators.quantized_input import before_first_quantizer

if TYPE_CHECKING:
    from onnx import NodeProto

IN_FLOAT32 = {"Mul": np.multiply, "Div": np.divide, "Add": np.add, "Sub": np.subtract}


class ConstantSumsToBias(Transformation):
    """Add of a stream and a constant -> a kernel that adds one integer a channel."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("Add"):
            if len(graph.dynamic_inputs(node)) == 1:
                self._replace(graph, node)
        graph.commit()
        return model, False

    @staticmethod
    def _replace(graph: GraphEditor, node: NodeProto) -> None:
        source = graph.dynamic_inputs(node)[0]
        constant = next(name for name in node.input if name != source)
        bias = np.broadcast_to(graph.constants[constant].reshape(-1), (graph.shapes[source][-1],))
        name = graph.add_constant(f"{constant}_channels", bias, graph.datatypes.get(constant))
        arriving = graph.datatypes[source]  # the adder must not overflow on any value of its input type
        result = smallest_integer_type(int(arriving.min() + bias.min()), int(arriving.max() + bias.max()))
        graph.datatypes[node.output[0]] = result
        graph.remove(node)
        add_kernel(graph, ChannelBias_rtl, [source, name], [node.output[0]], node.name, outputDataType=result.name)


class ConstantArithmetic(Affine):
    """One constant, one activation."""

    names = ("Mul", "Add", "Sub", "Div")
    told = "Mul/Add/Sub/Div by a constant"
    placements = (ConstantSumsToBias(),)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Two activations, division by one, constants of other shapes."""
        if (why := before_first_quantizer(graph, node)) is not None:
            return why
        if len(graph.dynamic_inputs(node)) != 1:
            return "combines two activations: only their sum and their product lower"
        before, after = graph.shapes.get(graph.dynamic_inputs(node)[0]), graph.shapes.get(node.output[0])
        if before and after and before != after:
            sizes = ("x".join(map(str, shape[1:])) for shape in (before, after))
            return f"spreads {' to '.join(sizes)} by the shape of its constant"
        return None

    def misfit(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Constants of other shapes."""
        return unfit_constant(graph, node)

    def gain_and_offset(self, graph: GraphEditor, node: NodeProto, channels: int) -> tuple[np.ndarray, np.ndarray]:
        """In float64."""
        constant = _constant(graph, node)
        value = graph.constants[constant].astype(np.float64)
        if value.size not in (1, channels):
            raise reject(node, f"has a constant of shape {value.shape}: one value, or one per channel, lowers")
        value = np.broadcast_to(value.reshape(-1), (channels,))
        one, zero = np.ones(channels), np.zeros(channels)
        if node.op_type == "Mul":
            return value, zero
        if node.op_type == "Div":
            return 1.0 / value, zero
        if node.op_type == "Add":
            return one, value
        return (one, -value) if node.input[1] == constant else (-one, value)

    def in_float32(self, graph: GraphEditor, node: NodeProto, value: np.ndarray) -> np.ndarray:
        """One operation."""
        constant = _constant(graph, node)
        operand = graph.constants[constant].astype(np.float32).reshape(-1, 1)
        operands = (value, operand) if node.input[1] == constant else (operand, value)
        return IN_FLOAT32[node.op_type](*operands)

    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range | None:
        """Of an integer factor, which a `Layer` puts behind what it gives."""
        if node.op_type != "Mul":
            return None
        factor = round(float(graph.constants[node.input[1]].item()))
        low, high = range_of(node.input[0])
        return factor * low, factor * high

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Constants (1, C, 1, 1) become (C,)."""
        if node.op_type not in ("Add", "Mul"):
            super().to_channels_last(graph, node)
        for position, name in enumerate(node.input):
            if name in graph.constants and graph.constants[name].ndim == 4:
                values = graph.constants[name].reshape(-1)
                node.input[position] = graph.add_constant(f"{name}_nhwc", values, graph.datatypes.get(name))
                graph.touch()


def _constant(graph: GraphEditor, node: NodeProto) -> str:
    return next(name for name in node.input if name in graph.constants)


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "multiplication by constants, addition of constants",
        "between a layer and a quantizer",
        "thresholds",
    ),
    (
        "bias of the last convolution",
        "quantized to the accumulator's scale",
        "inside that ConvThreshold",
    ),
)
OPERATORS = (ConstantArithmetic(),)
