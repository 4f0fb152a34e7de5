"""Integers whose real value lies exactly between two codes, where float32 could not decide: the sentence for them.

Sums of codes whose scale is no power of two round in float32, by the order of the additions. That matters only for an
integer that stands for the border of two codes itself: its code is then noise, pixel by pixel. Scales in a simple ratio
have such integers (multiples of 0.3/8 before a step of 0.1), and many of them. Fitted scales have a few by chance, at
sums so large that hardly any pixel meets one. So what counts is whether there are more than chance gives: of borders at
random, each within t of an integer with probability 2t, m or more are so with probability (sum of 2t)^m / m! at most.
"""

from __future__ import annotations

from fractions import Fraction
from math import lgamma, log
from typing import TYPE_CHECKING

import numpy as np

from hw_build.graph.editor import GraphEditor, reject
from hw_build.graph.ranges import FLOAT32_BITS
from hw_build.operators import operator_of
from hw_build.operators.filters import Filters
from hw_build.operators.operator import Layer
from hw_build.operators.ranges import channel_ranges

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.lowering.chain import Chain

UNDECIDED = 6 * 2.0**-24  # relative: three scales and a border, each of them rounded to float32 once
CHANCE = 1e-3


def refuse_ties(
    graph: GraphEditor, node: NodeProto, chain: Chain, steps: np.ndarray, lowest: int, highest: int
) -> None:
    """LoweringError where borders ``steps`` (1 or C, n) of the quantizer ``node`` are integers that float32 rounds.

    ``lowest``, ``highest``: of the integers that ``chain`` starts from, over all channels.
    """
    scale = _rounded_scale(graph, chain, max(-lowest, highest))
    if scale is None:
        return
    gain, offset = chain.gain[:, None], chain.offset[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        borders, shift = (chain.bounds(steps) - offset) / gain, np.abs(offset / gain)
    nearest = np.round(borders)
    low, high = (each[:, None] for each in channel_ranges(graph, chain.source))
    reached = np.isfinite(borders) & (nearest >= low) & (nearest <= high) & (nearest % _multiples(graph, chain) == 0)
    slack = UNDECIDED * np.maximum(np.abs(nearest), shift)
    found = np.stack([borders[reached], nearest[reached], slack[reached]])
    found = np.unique(found, axis=1)  # channels of one scale are one case, not many
    tied = np.abs(found[0] - found[1]) <= found[2]
    count = int(tied.sum())
    if count == 0 or count * log(max(2 * float(found[2].sum()), 2.0**-FLOAT32_BITS)) - lgamma(count + 1) > log(CHANCE):
        return
    operator = operator_of(graph, node)
    raise reject(
        node,
        f"cannot be exact: {count} of its {found.shape[1]} borders between codes are values that "
        f"{graph.told(chain.source)} takes itself, such as {found[1][tied][0]:.0f} times "
        f"{scale:g}; {scale:g} is not a power of two, so float32 rounds them by the order of additions: make "
        "the scales before it powers of two, or change one of them a little",
        "" if operator is None else operator.told,
    )


def _rounded_scale(graph: GraphEditor, chain: Chain, largest: int) -> float | None:
    """The scale of the integers that ``chain`` starts from; None where float32 computes their multiples exactly, or
    where they are codes, each of one value.
    """
    if _holds_codes(graph, chain.source):
        return None
    own = _convolution(graph, chain) is not None  # weights have a scale of their own
    factors = [_constant(graph, node) for node in chain.nodes[: 1 + own] if node.op_type == "Mul"]
    scale, odd = np.ones(len(chain.gain)), [1] * len(chain.gain)
    for factor in factors:
        values = np.broadcast_to(factor.reshape(-1), scale.shape)
        scale = scale * values
        odd = [known * _odd_part(value) for known, value in zip(odd, values, strict=True)]
    return next((float(each) for each, part in zip(scale, odd, strict=True) if part * largest > 2**FLOAT32_BITS), None)


def _holds_codes(graph: GraphEditor, tensor: str) -> bool:
    """Whether ``tensor`` holds codes of a quantizer, or of the image, at whatever places."""
    node = graph.producer(tensor)
    if node is None or node.op_type == "MultiThreshold":
        return True
    operator = operator_of(graph, node)
    moves = isinstance(operator, Layer) and operator.keeps_codes
    return moves and all(_holds_codes(graph, name) for name in graph.dynamic_inputs(node))


def _convolution(graph: GraphEditor, chain: Chain) -> NodeProto | None:
    """The convolution that ``chain`` starts from, where it is one."""
    source = graph.producer(chain.source)
    return source if source is not None and isinstance(operator_of(graph, source), Filters) else None


def _filters(graph: GraphEditor, chain: Chain) -> np.ndarray | None:
    """Weights (C, K) of `_convolution`."""
    source = _convolution(graph, chain)
    if source is None:
        return None
    return graph.constants[source.input[1]].reshape(len(chain.gain), -1).astype(np.int64)


def _multiples(graph: GraphEditor, chain: Chain) -> np.ndarray:
    """(C or 1, 1) of which the integers of a channel are multiples: what its weights have in common."""
    weights = _filters(graph, chain)
    return np.ones((1, 1)) if weights is None else np.maximum(1, np.gcd.reduce(weights, axis=1))[:, None]


def _constant(graph: GraphEditor, node: NodeProto) -> np.ndarray:
    return next(graph.constants[name] for name in node.input if name in graph.constants)


def _odd_part(value: float) -> int:
    """The odd integer of which the float32 ``value`` is a power of two times."""
    numerator = abs(Fraction(float(np.float32(value))).numerator)
    return numerator // (numerator & -numerator) if numerator else 1
