"""What bilinear and trilinear upsampling share: a value is a mean of the nearest codes, weighted by integers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from quant.base.errors import ExportError
from quant.integer.exact import EXACT_FLOAT32
from quant.integer.nodes import attribute
from quant.operators import operators
from quant.operators.layers import Averaging
from quant.operators.upsampling import Upsampling, factors_of

if TYPE_CHECKING:
    from onnx import NodeProto
    from torch import nn

    from quant.integer.parse import Parser
    from quant.integer.program import Step

FACTORS = (4, 8, 16, 32)  # and 2


class LinearUpsampling(Upsampling, Averaging):
    """Of ONNX mode linear, ``align_corners=False``, by powers of two."""

    names = ("Resize",)
    bits = "upsample"

    def step(self, names: tuple[str, str, str], factors: tuple[int, ...]) -> Step | None:
        """That of a node, its source and its output (``names``) by the factor of each side; None where it is another
        form's.
        """
        raise NotImplementedError

    def window(self, module: nn.Module) -> int:
        """Two rows."""
        return 2

    def roundings(self, step: Step) -> int:
        """Of the constant that is added: weights are multiples of a power of two."""
        return 1

    def takes(self, node: NodeProto) -> bool:
        """Of Resize, all but nearest."""
        return attribute(node, "mode", b"nearest") != b"nearest"

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """By the form whose factors these are: the node alone does not tell."""
        source = parser.codes_input(node, 0)
        factors = factors_of(parser, node) or ()
        form = attribute(node, "mode", b""), attribute(node, "coordinate_transformation_mode", b"half_pixel")
        names = (node.name, source, node.output[0])
        forms = [each for each in operators() if isinstance(each, LinearUpsampling)]
        steps = [each.step(names, factors) for each in forms if form == (b"linear", b"half_pixel")]
        step = next((step for step in steps if step is not None), None)
        if step is None:
            raise ExportError(
                f"upsampling '{node.name}' must be bilinear by 2, 4, 8, 16 or 32, or trilinear by these and 1, with"
                " align_corners=False"
            )
        codes, parts = parser.codes[source], parts_of(factors)
        if parts * max(-codes.low, codes.high) >= EXACT_FLOAT32:
            times = "x".join(map(str, factors))
            raise ExportError(
                f"upsampling '{node.name}' by {times} gives multiples of 1/{parts} of a code, which float32 may round;"
                " use fewer bits, or a smaller factor"
            )
        self.start_mean(parser, node, step, parts)


def parts_of(factors: tuple[int, ...]) -> int:
    """How many times a value is an integer, where codes are: twice the factor of each side that is enlarged."""
    return math.prod(2 * factor for factor in factors if factor > 1)
