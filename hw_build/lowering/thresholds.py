"""The affine nodes and activations between an integer tensor and its quantizer, as thresholds; and the integer head.

With x = a*acc + b per channel (in float64) a code of at least k means x >= t_k, so
    acc >= ceil((t_k - b) / a)          for a > 0,
and for a < 0 the producer's weights are negated and a with them. Activations, and what follows them, are undone first:
what is compared with t_k has reached it where x has reached another bound (`bends`). The network itself computes in
float32, node by node; where that rounds across t_k, the neighbouring integer is the threshold. Thresholds are clipped
to [lowest, highest + 1] of the accumulator, which changes no comparison.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GLOBAL_OUT, GraphEditor, reject, smallest_integer_type
from hw_build.lowering.chain import Chain, affine_chain, in_float32
from hw_build.lowering.ties import refuse_ties
from hw_build.operators.negation import can_be_negated, negate_channels
from hw_build.operators.ranges import integer_range

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto


def integer_thresholds(
    steps: np.ndarray, chain: Chain, low: int, high: int, compute: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Thresholds (C, n) on the integer tensor for real steps (1 or C, n); codes rise with it. See the file's head.

    ``compute`` is how the network takes integers (C, n) through the chain.
    """
    gain, offset = chain.gain[:, None], chain.offset[:, None]
    distance = chain.bounds(steps) - offset
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.ceil(distance / gain)
    exact = np.where(gain == 0, low, exact)
    exact = np.clip(exact, low - 2, high + 2)
    before, at = (compute(exact + side) >= steps for side in (-1, 0))
    exact = np.where(before, exact - 1, np.where(at, exact, exact + 1))
    exact = np.where(gain == 0, np.where(at, low, high + 1), exact)
    return np.clip(exact, low, high + 1)


class AbsorbAffineIntoThresholds(Transformation):
    """MultiThreshold(affine(integers)) -> MultiThreshold(integers) with integer thresholds."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("MultiThreshold"):
            channels = graph.shapes[node.input[0]][1]
            chain = affine_chain(graph, node.input[0], channels)
            if np.any(chain.falls):
                chain = self._negate(graph, node, chain)
            steps = graph.constants[node.input[1]].astype(np.float64)
            low, high = integer_range(graph, chain.source)
            refuse_ties(graph, node, chain, steps, low, high)
            thresholds = integer_thresholds(steps, chain, low, high, partial(in_float32, graph, chain))
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
    def _negate(graph: GraphEditor, node: NodeProto, chain: Chain) -> Chain:
        """Negate the weights of channels whose codes fall with the accumulator, so that they rise."""
        if not can_be_negated(graph, chain.source):
            raise reject(node, "has a negative factor before it that no convolution of its own can take over")
        sign = np.where(chain.falls, -1.0, 1.0)
        source = negate_channels(graph, chain.source, chain.falls)
        return replace(chain, source=source, gain=chain.gain * sign, sign=sign)


class IntegerOutput(Transformation):
    """The affine chain before the output becomes an integer bias and metadata ``edgeseg_output_scale``."""

    def apply(self, model):
        graph = GraphEditor(model)
        output = graph.outputs[0]
        shape = graph.shapes[output]
        chain = affine_chain(graph, output, shape[1])
        producer, source = graph.producer(output), graph.producer(chain.source)
        if source is None:
            raise reject(producer, "ends a network without a layer: there is nothing between image and output")
        gain = float(chain.gain[0])
        if chain.bends or gain <= 0 or np.any(chain.gain != gain):
            raise reject(
                producer,
                "ends the network in a Relu or in scales that differ: logits need one positive scale "
                "(weights of the head with one scale per tensor)",
            )
        bias = integer_bias(chain.offset / gain, producer)
        low, high = integer_range(graph, chain.source)
        graph.remove(*chain.nodes)  # the last writes the output, whose name may be the one that is needed now
        graph.outputs = [GLOBAL_OUT]
        graph.shapes[GLOBAL_OUT] = shape
        if np.any(bias != 0):
            graph.datatypes[GLOBAL_OUT] = smallest_integer_type(min(low + int(bias.min()), -1), high + int(bias.max()))
            bias_type = smallest_integer_type(min(int(bias.min()), -1), int(bias.max()))
            constant = graph.add_constant(f"{output}_bias_int", bias.reshape(1, -1, 1, 1), bias_type)
            graph.add_node("Add", [chain.source, constant], [GLOBAL_OUT], name=f"{producer.name}_int")
        elif chain.source != GLOBAL_OUT:
            graph.datatypes[GLOBAL_OUT] = graph.datatypes[chain.source]
            source.output[0] = GLOBAL_OUT
            graph.rename_uses(chain.source, GLOBAL_OUT)
        graph.set_metadata(edgeseg_output_scale=gain)
        graph.commit()
        return model, False


def integer_bias(bias: np.ndarray, node: NodeProto) -> np.ndarray:
    """``bias`` (C,) in accumulator steps as int64; it may be off by what float32 rounds of it.

    Raises:
        LoweringError: it is not integer.
    """
    integers = np.round(bias)
    if np.any(np.abs(bias - integers) > 1e-4 + 2.0**-22 * np.abs(bias)):
        raise reject(
            node, f"adds {float(bias[0]):g} accumulator steps: quantize the head's bias to the accumulator's scale"
        )
    return integers.astype(np.int64)
