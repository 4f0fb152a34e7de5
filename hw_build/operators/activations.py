"""Activations that are no pieces of rising lines, and products of a value with a function of itself.

Between a code and a quantizer they are a function of that code: a table (`code_table`); of wider integers, pieces
(`pieces`). SiLU is written as Mul(x, Sigmoid(x)), Hardswish as Mul(x, HardSigmoid(x)) or x * Clip(x + 3) / 6, GELU by
Erf or Tanh: whatever the nodes, they are executed for every code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.operators.code_functions import cone, unfit_constant
from hw_build.operators.operator import CodeFunction

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor


class Activation(CodeFunction):
    """A function of each value."""

    names = (
        "HardSwish", "Gelu", "Erf", "Mish", "Swish", "Sin", "Cos", "Abs", "Elu", "Celu", "Selu", "Sigmoid", "Tanh",
        "Softplus", "Softsign", "Exp", "Log", "Neg", "Sqrt", "Reciprocal", "ThresholdedRelu", "Shrink",
    )  # fmt: skip
    told = "HardSwish, Gelu, Sigmoid and other functions of codes"


class Combination(CodeFunction):
    """Arithmetic of functions of one code with each other, and with constants where it is not affine."""

    names = ("Mul", "Add", "Sub", "Div", "Pow", "Min", "Max")

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """All that it reads is made of one tensor, value by value."""
        read = graph.dynamic_inputs(node)
        if len(read) > 1:
            return len(cone(graph, *read)[1]) == 1
        return (
            len(read) == 1
            and (node.op_type in ("Pow", "Min", "Max") or node.input[0] in graph.constants)
            and (node.op_type not in ("Mul", "Add", "Sub"))
        )

    def misfit(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Constants of other shapes."""
        return unfit_constant(graph, node)


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "HardSwish, SiLU, GELU, Mish, Sigmoid, Tanh, Elu, Softplus, negative slopes, `x*f(x)`, with BN and constants",
        "between a quantizer (or a sum of codes) of at most 8 bits and a quantizer; one constant for all "
        "channels or one per channel",
        "CodeTable (ours): the codes that qonnx' execution gives, one table for all channels or one per channel",
    ),
    (
        "HardSwish, SiLU and the like directly after a convolution, or after other integers of more than 8 bits",
        "then a quantizer; the code changes at most 255 times over all values that can occur",
        "thresholds inside the layer before it, found by executing every value; if codes also decrease, the thresholds "
        "number the intervals, and a CodeTable (ours) gives each interval its code",
    ),
)
OPERATORS = (Activation(), Combination())
