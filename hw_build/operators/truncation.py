"""Trunc: codes from integers of a finer scale, rounded to them first, divided by a power of two and rounded again.

Brevitas puts it behind sums and averages. It is monotonic, so it becomes thresholds as a quantizer does: a code begins
at the least float32 that qonnx gives it for. The first version of the operator limits no code; how many there are then
follows from the values that can come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.custom_op.general.intquant import max_int, min_int, resolve_rounding_mode

from hw_build.graph.editor import QONNX_DOMAIN, GraphEditor, attribute, smallest_integer_type
from hw_build.graph.ranges import FLOAT32_BITS
from hw_build.graph.rounding import ROUNDING_MODES, least_values
from hw_build.operators import operator_of
from hw_build.operators.constants import QUANT
from hw_build.operators.operator import Affine, Layer, Operator, constants_to_channels_first
from hw_build.operators.quantizer import put_thresholds

if TYPE_CHECKING:
    from onnx import NodeProto

_MOST_BITS = 8  # of codes
_LEAST_BITS, _MOST_BITS_IN = 2, 32
_INPUTS_OF_1, _INPUTS_OF_2 = 5, 6  # its two versions: tensor, scale, zero point, bits in, [scale out,] bits out


def _version(graph: GraphEditor) -> int:
    """Of QONNX' operators."""
    return max(entry.version for entry in graph.model.model.opset_import if entry.domain == QONNX_DOMAIN)


def _numbers(graph: GraphEditor, node: NodeProto) -> list[np.float32]:
    """Scale, zero point, bits in, [scale out,] bits out."""
    return [np.float32(graph.constants[name].item()) for name in node.input[1:]]


def _divisor(graph: GraphEditor, node: NodeProto) -> np.float32:
    """The power of two that integers are divided by."""
    scale, _, bits, *after = _numbers(graph, node)
    if len(node.input) == _INPUTS_OF_1:
        return np.float32(2.0) ** (bits - after[0])
    return np.float32(2.0) ** np.round(np.log2(after[0] / scale))


def _code_of(graph: GraphEditor, node: NodeProto, values: np.ndarray) -> np.ndarray:
    """Codes of float32 ``values`` as qonnx computes them, without limits."""
    rounded = resolve_rounding_mode(attribute(node, "rounding_mode", "FLOOR"))
    return rounded(np.round(values / _numbers(graph, node)[0]) / _divisor(graph, node))


def _range(graph: GraphEditor, tensor: str) -> tuple[float, float] | None:
    """Lowest and highest value that ``tensor`` of an exported network can take; None where that is not known."""
    node = graph.producer(tensor)
    operator = None if node is None else operator_of(graph, node)
    if node is None or operator is None or operator.refusal(graph, node) or operator.misfit(graph, node):
        return None
    if node.op_type in QUANT:
        scale, bits = (float(graph.constants[node.input[place]].max()) for place in (1, 3))
        return float(min_int(*_signed(node), bits) * scale), float(max_int(*_signed(node), bits) * scale)
    source, *others = graph.dynamic_inputs(node)
    before = _range(graph, source)
    if before is None or others:
        return None
    if isinstance(operator, Affine):
        gain, offset = operator.gain_and_offset(graph, node, graph.shapes[source][1])
        ends = np.outer(before, gain) + offset
        return float(ends.min()), float(ends.max())
    if isinstance(operator, Layer) and (operator.keeps_range or operator.keeps_codes):
        return min(before[0], 0.0), max(before[1], 0.0)
    return None


def _signed(node: NodeProto) -> tuple[bool, bool]:
    """(signed, narrow)."""
    return bool(attribute(node, "signed", 1)), bool(attribute(node, "narrow", 0))


class Truncation(Operator):
    """Trunc."""

    names = ("Trunc",)
    domains = (QONNX_DOMAIN,)
    told = "Trunc"
    any_layout = elementwise = per_channel = True

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Scales, zero points, widths and rounding."""
        inputs = _INPUTS_OF_1 if _version(graph) == 1 else _INPUTS_OF_2
        if len(node.input) != inputs or not all(node.input):
            return (
                f"must have {inputs} inputs, since its file says that QONNX' operators are of version "
                f"{_version(graph)}: a tensor, a scale, a zero point, bit widths and, of version 2, an output scale"
            )
        if any(name not in graph.constants or graph.constants[name].size != 1 for name in node.input[1:]):
            return "has a scale, zero point or bit width that is not one constant number"
        scale, zero_point, bits, *after = _numbers(graph, node)
        if zero_point != 0:
            return f"has zero point {zero_point:g}: only zero point 0 lowers"
        if scale <= 0 or after[0] <= 0:
            return "has a scale that is not positive"
        if any(not _LEAST_BITS <= each <= _MOST_BITS_IN or each % 1 for each in (bits, after[-1])):
            return f"has bit widths {bits:g} and {after[-1]:g}: integers from {_LEAST_BITS} to {_MOST_BITS_IN} lower"
        rounding = str(attribute(node, "rounding_mode", "FLOOR")).upper()
        if rounding not in ROUNDING_MODES:
            return f"rounds by {rounding}: only {', '.join(ROUNDING_MODES)} lower"
        if not 2.0**-_MOST_BITS <= _divisor(graph, node) <= 2**FLOAT32_BITS:
            return f"divides integers by {_divisor(graph, node):g}: by 2**-{_MOST_BITS} to 2**{FLOAT32_BITS} lowers"
        if len(node.input) == _INPUTS_OF_1 and _range(graph, node.input[0]) is None:
            return "truncates values that no quantizer limits: put one before it, or export Trunc of version 2"
        low, high = self._codes(graph, node)
        if smallest_integer_type(low, high).bitwidth() > _MOST_BITS:
            return f"gives codes from {low} to {high}: at most {_MOST_BITS} bits lower"
        return None

    @staticmethod
    def _codes(graph: GraphEditor, node: NodeProto) -> tuple[int, int]:
        """The lowest and the highest."""
        if len(node.input) == _INPUTS_OF_2:
            bits = float(_numbers(graph, node)[-1])
            return int(min_int(*_signed(node), bits)), int(max_int(*_signed(node), bits))
        ends = _range(graph, node.input[0])
        assert ends is not None  # others are refused
        low, high = _code_of(graph, node, np.array(ends, np.float32))
        return int(min(low, 0)), int(max(high, 1))

    def to_thresholds(self, graph: GraphEditor, node: NodeProto) -> None:
        """Thresholds, and a factor behind them."""
        low, high = self._codes(graph, node)
        scale, _, _, *after = _numbers(graph, node)
        step, reach = scale * _divisor(graph, node), 1.5 + 0.5 / float(_divisor(graph, node))
        steps = least_values(np.arange(low + 1, high + 1), step, lambda values: _code_of(graph, node, values), reach)
        put_thresholds(graph, node, low, high, steps, float(after[0] if len(after) > 1 else scale))

    def to_channels_first(self, graph: GraphEditor, node: NodeProto) -> None:
        """Constants with it."""
        constants_to_channels_first(graph, node)


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "Trunc of sums and averages",
        "of both versions, codes of at most 8 bits, zero point 0, any rounding mode of QONNX",
        "thresholds, as of a quantizer",
    ),
)
OPERATORS = (Truncation(),)
