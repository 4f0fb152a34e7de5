"""What stands between an integer tensor and what reads it as real values: affine nodes, BNs and activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from hw_build.graph.bends import Bend, Factor
from hw_build.graph.editor import GraphEditor, reject
from hw_build.operators import operator_of
from hw_build.operators.operator import Affine, Monotonic

if TYPE_CHECKING:
    from onnx import NodeProto

_BEFORE_A_QUANTIZER = "stands between a layer and its quantizer, where only Mul, Add, BN and activations that rise may"
_AT_THE_END = (
    "ends the network behind its last layer, where only Mul, Add and BN may: the accelerator gives integers, so "
    "export the logits before it (of one class the mask is logit > 0, of several the index of the largest)"
)


@dataclass(frozen=True)
class Chain:
    """x = gain * integer + offset per channel (float64 arrays (C,)), then activations and factors.

    ``nodes`` compute it, in their order; ``sign`` (C,) is -1 where ``source`` holds the negated integer.
    """

    source: str
    gain: np.ndarray
    offset: np.ndarray
    bends: tuple[Bend, ...]
    nodes: tuple[NodeProto, ...]
    sign: np.ndarray

    @property
    def falls(self) -> np.ndarray:
        """(C,) bool: whether what the quantizer reads falls with the integer."""
        falls = self.gain < 0
        for bend in self.bends:
            if isinstance(bend, Factor):
                falls = falls != (bend.gain < 0)
        return falls

    def bounds(self, steps: np.ndarray) -> np.ndarray:
        """Steps (1 or C, n) of what the quantizer reads as bounds (C, n) of x; infinite: reached always or never."""
        bounds, rising = np.broadcast_to(steps, (len(self.gain), steps.shape[1])), np.ones((len(self.gain), 1), bool)
        for bend in reversed(self.bends):
            bounds, rising = bend.before(bounds, rising)
        return bounds


def affine_chain(graph: GraphEditor, tensor: str, channels: int) -> Chain:
    """Walk up from ``tensor`` to the nearest integer tensor through affine nodes, BNs and activations."""
    nodes: list[NodeProto] = []
    end = tensor
    while not graph.is_integer(tensor):
        node = graph.producer(tensor)
        if node is None or not isinstance(operator_of(graph, node), Monotonic):
            culprit = node if node is not None else nodes[-1]
            raise reject(culprit, _AT_THE_END if end in graph.outputs else _BEFORE_A_QUANTIZER)
        nodes.append(node)
        tensor = graph.dynamic_inputs(node)[0]
    gain, offset = np.ones(channels), np.zeros(channels)
    bends: list[Bend] = []
    for node in reversed(nodes):
        operator = cast("Monotonic", operator_of(graph, node))
        if isinstance(operator, Affine) and not bends:
            scale, shift = operator.gain_and_offset(graph, node, channels)
            gain, offset = gain * scale, offset * scale + shift
        else:
            bends.extend(operator.bends(graph, node, channels))
    return Chain(tensor, gain, offset, tuple(bends), tuple(reversed(nodes)), np.ones(channels))


def in_float32(graph: GraphEditor, chain: Chain, integers: np.ndarray) -> np.ndarray:
    """What the nodes of ``chain`` make of ``integers`` (C, n) of its source, rounded after each operation: float32."""
    value = (integers * chain.sign[:, None]).astype(np.float32)
    for node in chain.nodes:
        value = cast("Monotonic", operator_of(graph, node)).in_float32(graph, node, value)
    return value
