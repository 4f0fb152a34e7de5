"""Sum of two tensors of one scale, then a quantizer of its own."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnx import TensorProto
from torch import fx, nn

from models.layers import Sum as SumModule
from quant.integer.fit import fit_staircase, line_of
from quant.integer.program import Staircase, Step
from quant.integer.staircase import Chain
from quant.operators.layers import Accumulating
from quant.operators.operator import refuse
from quant.operators.spread import spread_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from quant.integer.compiled.plan import Plan
    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser
    from quant.twin.written import Translator

_MICROSOFT = "com.microsoft"


@dataclass(frozen=True)
class Sum(Step):
    """Sum of two tensors of one scale, then a staircase over the sum (the same for every channel, C = 1)."""

    name: str
    sources: tuple[str, str]
    output: str
    staircase: Staircase


class StreamSum(Accumulating):
    """Sum, ``x + y``, ``torch.add``."""

    kinds = (SumModule,)
    told = "sums"
    names = ("Add",)
    steps = (Sum,)
    joins = True
    bits = "sum"

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """Also those that subtract, and methods."""
        added = (operator.add, operator.iadd, torch.add, "add", "add_")
        subtracted = (operator.sub, operator.isub, torch.sub, torch.subtract, "sub", "sub_", "subtract")
        return {**dict.fromkeys(added, self.add), **dict.fromkeys(subtracted, self.subtract)}

    def take(self, translator: Translator, module: nn.Module, inputs: tuple[Any, ...], name: str) -> fx.Node:
        """As ``x + y``."""
        return self.add(translator, *inputs, name=name)

    def add(self, translator: Translator, a: Any, b: Any, *, alpha: float = 1, name: str | None = None) -> fx.Node:
        """Of two tensors, of which one may be a pixel for all; a constant is a shift."""
        if not (isinstance(a, fx.Node) and isinstance(b, fx.Node)):
            if isinstance(a, fx.Node):
                return translator.affine(a, 1.0, alpha * b)
            return translator.affine(b, alpha, a)
        if alpha != 1:
            refuse(f"adds with alpha={alpha}; multiply by it before")
        if a is b:
            return translator.affine(a, 2.0, 0.0)
        a, b = (spread_to(translator, one, other) for one, other in ((a, b), (b, a)))
        if translator.shape(a) != translator.shape(b):
            sizes = " and ".join("x".join(map(str, translator.shape(tensor)[1:])) for tensor in (a, b))
            refuse(f"adds tensors of {sizes}; both must have the same channels and size")
        return translator.emit(SumModule(), (a, b), name)

    def subtract(self, translator: Translator, a: Any, b: Any, *, alpha: float = 1) -> fx.Node:
        """A sum with the negative."""
        if isinstance(a, fx.Node) and isinstance(b, fx.Node):
            return self.add(translator, a, translator.affine(b, -alpha, 0.0))
        if isinstance(a, fx.Node):
            return translator.affine(a, 1.0, -alpha * b)
        return translator.affine(b, -alpha, a)

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """Of codes; a constant shifts what is not yet codes."""
        if parser.shifts(node):
            return
        a, b = parser.codes_input(node, 0), parser.codes_input(node, 1)
        codes_a, codes_b = parser.codes[a], parser.codes[b]
        parser.require_one_scale(node, a, b)
        low, high = np.array([codes_a.low + codes_b.low]), np.array([codes_a.high + codes_b.high])
        step = Sum(node.name, (a, b), node.output[0], None)
        parser.start(node, step, Chain(np.array([codes_a.scale]), low, high), parser.channels[a])

    def accumulators(self, step: Sum, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """The sum."""
        return tensors[step.sources[0]] + tensors[step.sources[1]]

    def build(self, builder: GraphBuilder, step: Sum) -> None:
        """The bias travels in the zero points of the addends; where no kernel has it, floats."""
        a, b = step.sources
        builder.sizes[step.output] = builder.sizes[a]
        codes_a, codes_b = builder.program.codes[a], builder.program.codes[b]
        low, high = np.array([codes_a.low + codes_b.low]), np.array([codes_a.high + codes_b.high])
        zero_points = -codes_a.low - codes_b.low
        limits = (zero_points - 2 * 255, zero_points)
        fit = fit_staircase(step.staircase, low, high, np.ones(1, np.int64), limits)
        if fit is None or fit.undershoots or fit.constant:  # the kernel multiplies by no 0
            integers = [builder.node("Cast", [name], to=TensorProto.FLOAT) for name in step.sources]
            total = builder.node("Add", [builder.node("Add", integers), builder.constant(np.float32(-zero_points))])
            builder.name(builder.line_codes(total, line_of(step.staircase, low, high), step.name), step.output)
            return
        zero_a = min(zero_points - int(fit.bias[0]), 255)
        zero_b = zero_points - int(fit.bias[0]) - zero_a
        first, second = (
            [name, builder.one, builder.constant(np.uint8(zero))] for name, zero in ((a, zero_a), (b, zero_b))
        )
        scale = builder.constant(np.float32(1 / float(fit.scale[0])))
        out = builder.node("QLinearAdd", [*first, *second, scale, builder.zero], domain=_MICROSOFT)
        builder.name(builder.clip(out, fit, 1), step.output)

    def compile(self, plan: Plan, step: Sum) -> bool:
        """A filter of two taps a channel, of weight 1: a code of the one tensor and one of the other."""
        plan.sizes[step.output] = plan.sizes[step.sources[0]]
        planes, codes = (
            [plan.planes(name) for name in step.sources],
            [plan.program.codes[name] for name in step.sources],
        )
        channels = planes[0].channels
        taps = np.stack([each.data + np.arange(channels) * each.plane for each in planes], axis=1)
        plan.filter(
            step,
            taps,
            np.ones((channels, 2), np.int64),
            stride=planes[0].stride,
            least=min(each.low for each in codes),
            most=max(each.high for each in codes),
            start=np.zeros(channels, np.int64),
        )
        return True


OPERATORS = (StreamSum(),)
