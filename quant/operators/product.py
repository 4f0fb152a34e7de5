"""Product of two tensors, as of a gate with what it opens: products of codes, then a quantizer of its own."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnx import TensorProto
from torch import fx, nn

from quant.integer.fit import line_of
from quant.integer.program import Staircase, Step
from quant.integer.staircase import Chain
from quant.operators.layers import Accumulating
from quant.operators.operator import refuse
from quant.operators.spread import fills

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser
    from quant.integer.program import Codes
    from quant.twin.written import Translator


@dataclass(frozen=True)
class Product(Step):
    """Product of two tensors, of which one may be a pixel, row, column or channel for all, then a staircase (C = 1)."""

    name: str
    sources: tuple[str, str]
    output: str
    staircase: Staircase


class Times(nn.Module):
    """``a * b``."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Of equal shapes, or ones that repeat."""
        return a * b


class StreamProduct(Accumulating):
    """``x * gate``, ``torch.mul``."""

    kinds = (Times,)
    told = "products"
    names = ("Mul",)
    steps = (Product,)
    settled = True

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """By all their names."""
        names = (operator.mul, operator.imul, torch.mul, torch.multiply, "mul", "mul_", "multiply")
        return dict.fromkeys(names, self.multiply)

    def take(self, translator: Translator, module: nn.Module, inputs: tuple[Any, ...], name: str) -> fx.Node:
        """As ``a * b``."""
        return self.multiply(translator, *inputs, name=name)

    def multiply(self, translator: Translator, a: Any, b: Any, *, name: str | None = None) -> fx.Node:
        """Of two tensors; a constant is a factor."""
        if not (isinstance(a, fx.Node) and isinstance(b, fx.Node)):
            return translator.affine(a, b, 0.0) if isinstance(a, fx.Node) else translator.affine(b, a, 0.0)
        if a is b:
            b = translator.affine(a, 1.0, 0.0)
        small, large = sorted((translator.shape(a), translator.shape(b)), key=np.prod)
        if not fills(small, large) and small != (1, 1, *large[2:]):
            sizes = " and ".join("x".join(map(str, translator.shape(tensor)[1:])) for tensor in (a, b))
            refuse(
                f"multiplies tensors of {sizes}; equal ones lower, or one value for each channel, or for each of its"
                " rows or columns, or for each pixel"
            )
        return translator.emit(Times(), (a, b), name, shape=large)

    def grid(self, scales: list[float]) -> float:
        """Of products."""
        return scales[0] * scales[1]

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """Of codes; a constant factor is of a function of codes."""
        if any(parser.model.get_initializer(name) is not None for name in node.input):
            parser.begin_function(node)
            return
        a, b = parser.codes_input(node, 0), parser.codes_input(node, 1)
        step = Product(node.name, (a, b), node.output[0], None)
        codes = parser.codes[a], parser.codes[b]
        channels = max(parser.channels[a], parser.channels[b])
        parser.start(node, step, Chain(np.array([codes[0].scale * codes[1].scale]), *_ends(*codes)), channels)

    def accumulators(self, step: Product, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """The product."""
        return tensors[step.sources[0]] * tensors[step.sources[1]]

    def build(self, builder: GraphBuilder, step: Product) -> None:
        """In float32, which holds it, and a line."""
        sizes = [builder.sizes[name] for name in step.sources]
        codes = [builder.program.codes[name] for name in step.sources]
        height, width = builder.sizes[step.output] = max(sizes)
        factors = []
        for name, own, size in zip(step.sources, codes, sizes, strict=True):
            integers = builder.node("Cast", [name], to=TensorProto.FLOAT)
            integers = builder.reshape(integers, (*size, builder.lanes, builder.program.channels[name]))
            factors.append(builder.node("Add", [integers, builder.constant(np.float32(own.low))]))
        product = builder.reshape(
            builder.node("Mul", factors), (1, height, width, builder.lanes * builder.program.channels[step.output])
        )
        builder.name(builder.line_codes(product, line_of(step.staircase, *_ends(*codes)), step.name), step.output)


def _ends(a: Codes, b: Codes) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest product (1,) of their codes."""
    corners = [first * second for first in (a.low, a.high) for second in (b.low, b.high)]
    return np.array([min(corners)]), np.array([max(corners)])


OPERATORS = (StreamProduct(),)
