"""The affine and Relu nodes between an integer tensor and its quantizer, as integer thresholds; and the integer head.

With x = a*acc + b per channel (in float64) a code of at least k means x >= t_k, so
    acc >= ceil((t_k - b) / a)          for a > 0,
and for a < 0 the producer's weights are negated and a with them. Thresholds are clipped to [lowest, highest + 1] of the
accumulator, which changes no comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import NodeProto
from qonnx.transformation.base import Transformation

from hw_build.lowering.graph import GraphEditor, attribute
from hw_build.lowering.ranges import accumulator_type, dot_product_range, smallest_integer_type
from hw_build.lowering.rules import AFFINE, reject

GLOBAL_OUT = "global_out"


@dataclass(frozen=True)
class Affine:
    """x = gain * integer + offset per channel (float64 arrays (C,)), then x = max(x, 0) if ``relu``."""

    source: str
    gain: np.ndarray
    offset: np.ndarray
    relu: bool


def affine_chain(graph: GraphEditor, tensor: str, channels: int) -> Affine:
    """Walk up from ``tensor`` to the nearest integer tensor through Mul, Add, Sub, Div, BatchNormalization and Relu."""
    nodes: list[NodeProto] = []
    while not graph.is_integer(tensor):
        node = graph.producer(tensor)
        if node is None or node.op_type not in (*AFFINE, "BatchNormalization", "Relu"):
            culprit = node if node is not None else nodes[-1]
            raise reject(
                culprit, f"stands between integers and thresholds at {tensor}, where only Mul, Add, BN and Relu may"
            )
        nodes.append(node)
        tensor = graph.dynamic_inputs(node)[0]
    gain, offset, relu = np.ones(channels), np.zeros(channels), False
    for node in reversed(nodes):
        if node.op_type == "Relu":
            relu = True
            continue
        scale, shift = affine_step(graph, node, channels)
        if relu and (np.any(scale <= 0) or np.any(shift != 0)):
            raise reject(node, "follows a Relu without a quantizer between: order them convolution, BN, Relu, Quant")
        gain, offset = gain * scale, offset * scale + shift
    return Affine(tensor, gain, offset, relu)


def affine_step(graph: GraphEditor, node: NodeProto, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Per-channel gain and offset (float64, (C,)) of one node."""
    if node.op_type == "BatchNormalization":
        gamma, beta, mean, variance = (graph.constants[name].astype(np.float64) for name in node.input[1:5])
        gain = gamma / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
        return gain, beta - mean * gain
    constant = next(name for name in node.input if name in graph.constants)
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


def integer_thresholds(steps: np.ndarray, chain: Affine, low: int, high: int) -> np.ndarray:
    """Thresholds (C, n) on the integer tensor for real steps (1 or C, n), with gain >= 0; see the head of this file."""
    gain, offset = chain.gain[:, None], chain.offset[:, None]
    distance = steps - offset
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.ceil(distance / gain)
    exact = np.where(gain == 0, np.where(distance <= 0, low, high + 1), exact)
    if chain.relu:
        exact = np.where(steps <= 0, low, exact)
    return np.clip(exact, low, high + 1)


class AbsorbAffineIntoThresholds(Transformation):
    """MultiThreshold(affine(integers)) -> MultiThreshold(integers) with integer thresholds."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("MultiThreshold"):
            channels = graph.shapes[node.input[0]][1]
            chain = affine_chain(graph, node.input[0], channels)
            if np.any(chain.gain < 0):
                chain = self._negate(graph, node, chain)
            steps = graph.constants[node.input[1]].astype(np.float64)
            low, high = integer_range(graph, chain.source)
            thresholds = integer_thresholds(steps, chain, low, high)
            if np.all(thresholds == thresholds[:1]):
                thresholds = thresholds[:1]
            signed = graph.datatypes[chain.source].signed()
            datatype = smallest_integer_type(min(low, -1) if signed else low, high + 1)
            node.input[1] = graph.add_constant(f"{node.output[0]}_steps", thresholds, datatype)
            node.input[0] = chain.source
            graph.touch()
        graph.commit()
        return model, False

    @staticmethod
    def _negate(graph: GraphEditor, node: NodeProto, chain: Affine) -> Affine:
        """Negate the filters of channels with a negative gain, so that codes rise with the accumulator."""
        conv = graph.producer(chain.source)
        if conv is None or conv.op_type != "Conv":
            raise reject(node, "has a negative factor before it that no convolution can take over")
        if len(graph.consumers(chain.source)) != 1:
            raise reject(conv, "has a negative BN factor and several consumers: give each its own convolution")
        weights, datatype = graph.constants[conv.input[1]], graph.datatypes[conv.input[1]]
        flipped = np.where(chain.gain[:, None, None, None] < 0, -weights, weights)
        if flipped.max() > datatype.max():
            datatype = smallest_integer_type(int(datatype.min()), int(flipped.max()))
        conv.input[1] = graph.add_constant(f"{conv.input[1]}_flipped", flipped, datatype)
        input_type = graph.datatypes[conv.input[0]]
        source = graph.add_tensor(
            f"{chain.source}_flipped",
            graph.shapes[chain.source],
            accumulator_type(*dot_product_range(flipped, input_type)),
        )
        graph.consumers(chain.source)[0].input[0] = source
        conv.output[0] = source
        graph.touch()
        return Affine(source, np.abs(chain.gain), chain.offset, chain.relu)


def integer_range(graph: GraphEditor, tensor: str) -> tuple[int, int]:
    """Lowest and highest value that an integer tensor can take: from weights and addends where it has them."""
    producer = graph.producer(tensor)
    operator = producer.op_type if producer is not None else None
    if operator == "Conv":
        low, high = dot_product_range(graph.constants[producer.input[1]], graph.datatypes[producer.input[0]])
        return int(low.min()), int(high.max())
    if operator == "Add":
        first, second = (integer_range(graph, name) for name in producer.input)
        return first[0] + second[0], first[1] + second[1]
    if operator == "Mul":
        factor = round(float(graph.constants[producer.input[1]].item()))
        low, high = integer_range(graph, producer.input[0])
        return factor * low, factor * high
    if operator in ("Resize", "MaxPool"):
        return integer_range(graph, producer.input[0])
    datatype = graph.datatypes[tensor]
    return int(datatype.min()), int(datatype.max())


class IntegerOutput(Transformation):
    """The affine chain before the output becomes an integer bias and metadata ``edgeseg_output_scale``."""

    def apply(self, model):
        graph = GraphEditor(model)
        output = graph.outputs[0]
        shape = graph.shapes[output]
        chain = affine_chain(graph, output, shape[1])
        producer = graph.producer(output)
        gain = float(chain.gain[0])
        if chain.relu or gain <= 0 or np.any(chain.gain != gain):
            raise reject(
                producer, "ends the network in a Relu or in scales that differ: logits need one positive scale"
            )
        bias = chain.offset / gain
        if np.any(np.abs(bias - np.round(bias)) > 1e-4):
            raise reject(
                producer,
                f"adds {float(bias[0]):g} accumulator steps: quantize the head's bias to the accumulator's scale",
            )
        bias = np.round(bias).astype(np.int64)
        low, high = integer_range(graph, chain.source)
        graph.outputs = [GLOBAL_OUT]
        graph.shapes[GLOBAL_OUT] = shape
        if np.any(bias != 0):
            graph.datatypes[GLOBAL_OUT] = smallest_integer_type(min(low + int(bias.min()), -1), high + int(bias.max()))
            bias_type = smallest_integer_type(min(int(bias.min()), -1), int(bias.max()))
            constant = graph.add_constant(f"{output}_bias_int", bias.reshape(1, -1, 1, 1), bias_type)
            graph.add_node("Add", [chain.source, constant], [GLOBAL_OUT], name=f"{producer.name}_int")
        else:
            source = graph.producer(chain.source)
            graph.datatypes[GLOBAL_OUT] = graph.datatypes[chain.source]
            source.output[0] = GLOBAL_OUT
            graph.rename_uses(chain.source, GLOBAL_OUT)
        graph.set_metadata(edgeseg_output_scale=gain)
        graph.commit()
        return model, False
