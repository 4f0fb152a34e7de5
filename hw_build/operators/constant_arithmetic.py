"""Mul, Add, Sub and Div with one constant: before a quantizer a gain and an offset, which become thresholds.

A constant sum of integers that stands before no thresholds, as after the head's convolution, is a kernel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, label, reject, smallest_integer_type
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.bias import ChannelBias_rtl
from hw_build.operators import operator_of
from hw_build.operators.channel_constants import channel_constants
from hw_build.operators.code_functions import unfit_constant
from hw_build.operators.constants import GIVE_CODES
from hw_build.operators.operator import Affine, Layer, Range, RangeOf
from hw_build.operators.quantized_input import before_first_quantizer

if TYPE_CHECKING:
    from onnx import NodeProto

RANK = 4  # images, channels, height, width
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
        factors = _factors(graph, node)
        reader = None if factors is None else next(iter(_layers(graph, node)), None)
        if factors is not None and reader is not None:
            return (
                f"gives {factors.size} channels factors of their own, {factors.min():g} to {factors.max():g}, which "
                f"{label(reader)} ({reader.op_type}) does not take: a depthwise convolution without bias does, and a "
                "dense one whose weights have at most 8 bits in their common step; let all channels share one scale"
            )
        return None

    def rewrite(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Positive factors of channels behind the layer that reads the codes, or inside it."""
        factors = _factors(graph, node)
        if factors is None or np.any(factors <= 0):
            return False
        source = graph.dynamic_inputs(node)[0]
        for reader in _layers(graph, node):
            layer = cast("Layer", operator_of(graph, reader))
            behind = layer.factors_behind(graph, reader, factors)
            if behind is not None:
                result = reader.output[0]
                reader.output[0] = graph.add_tensor(f"{result}_unscaled", graph.shapes[result])
                constant = graph.add_constant(f"{result}_factors", behind.reshape(1, -1, 1, 1))
                graph.add_node("Mul", [reader.output[0], constant], [result], name=f"{node.name}_behind")
            elif not layer.take_factors(graph, reader, factors):
                continue
            reader.input[0] = source
            graph.touch()
            return True
        return False

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


def _factors(graph: GraphEditor, node: NodeProto) -> np.ndarray | None:
    """(C,) of a Mul that gives codes a factor for each channel; None where ``node`` is no such one."""
    if (
        node.op_type != "Mul"
        or len(graph.dynamic_inputs(node)) != 1
        or len(graph.shapes.get(node.output[0], ())) != RANK
    ):
        return None
    source, channels = graph.dynamic_inputs(node)[0], graph.shapes[node.output[0]][1]
    if channels == 1 or not _holds_codes(graph, source) or channel_constants(graph, node, source, channels) is None:
        return None
    factors = graph.constants[_constant(graph, node)].reshape(-1).astype(np.float64)
    return factors if factors.size == channels else None


def _holds_codes(graph: GraphEditor, tensor: str) -> bool:
    """Whether ``tensor`` of an exported network holds what one quantizer gives, at whatever places."""
    node = graph.producer(tensor)
    operator = None if node is None else operator_of(graph, node)
    if node is None or operator is None:
        return False
    if node.op_type in GIVE_CODES:
        return True
    sources = graph.dynamic_inputs(node)
    return (
        isinstance(operator, Layer) and operator.keeps_codes and len(sources) == 1 and _holds_codes(graph, sources[0])
    )


def _layers(graph: GraphEditor, node: NodeProto) -> list[NodeProto]:
    """The readers of ``node`` that want codes."""
    readers = graph.consumers(node.output[0])
    return [reader for reader in readers if isinstance(operator_of(graph, reader), Layer)]


def _constant(graph: GraphEditor, node: NodeProto) -> str:
    return next(name for name in node.input if name in graph.constants)


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "multiplication by constants, addition of constants",
        "between a layer and a quantizer",
        "thresholds",
    ),
    (
        "factors of channels, or scales of channels in a quantizer",
        "positive; read by a depthwise convolution without bias, a dense one whose weights have at most 8 bits in the "
        "factors' common step, poolings and upsamplings before these, or on the way to a quantizer",
        "thresholds behind the depthwise convolution; weights of the dense one",
    ),
    (
        "bias of the last convolution",
        "quantized to the accumulator's scale",
        "inside that ConvThreshold",
    ),
)
OPERATORS = (ConstantArithmetic(),)
