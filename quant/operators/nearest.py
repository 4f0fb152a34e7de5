"""Nearest upsampling by a whole factor: each code is repeated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from quant.base.errors import ExportError
from quant.integer.nodes import attribute
from quant.integer.program import Step
from quant.operators.layers import HandingOn
from quant.operators.upsampling import Upsampling, factors_of
from quant.operators.volumes import SIDES

if TYPE_CHECKING:
    from onnx import NodeProto

    from quant.integer.compiled.plan import Plan
    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser
    from quant.integer.torch_engine import TorchEngine


@dataclass(frozen=True)
class Repeat(Step):
    """Each code as many times in each direction as ``factors`` says: of an image both are the same."""

    name: str
    source: str
    output: str
    factors: tuple[int, ...]


class NearestUpsampling(Upsampling, HandingOn):
    """Upsample(scale_factor=N), ``F.interpolate``."""

    kinds = (nn.UpsamplingNearest2d,)
    told = "nearest upsampling by a whole factor"
    names = ("Resize",)
    steps = (Repeat,)
    lets_pass = True
    mode = "nearest"

    def made(self, factor: tuple[float, ...]) -> nn.Module | None:
        """By whole factors, of an image the same of both sides; torch's module takes volumes, too."""
        alike, whole = len(set(factor)) == 1, [int(each) for each in factor]
        if list(factor) != whole or min(whole) < 1 or not (alike or len(factor) == SIDES):
            return None
        return nn.UpsamplingNearest2d(scale_factor=whole[0] if alike else tuple(map(float, whole)))

    def rows_ahead(self, module: nn.Module, step_in: int, step_out: int) -> int:
        """None."""
        return 0

    def takes(self, node: NodeProto) -> bool:
        """Of Resize, mode nearest."""
        return attribute(node, "mode", b"nearest") == b"nearest"

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """By factors, as PyTorch rounds."""
        source = parser.codes_input(node, 0)
        rounding = tuple(attribute(node, name, b"") for name in ("coordinate_transformation_mode", "nearest_mode"))
        factors = factors_of(parser, node)
        differ = factors is not None and len(factors) != SIDES and len(set(factors)) > 1
        if rounding != (b"asymmetric", b"floor") or factors is None or differ:
            raise ExportError(f"upsampling '{node.name}' must repeat each pixel by one whole factor")
        step = Repeat(node.name, source, node.output[0], factors)
        parser.hand_on(node, step, parser.codes[source], parser.channels[source])

    def run(self, engine: TorchEngine, step: Repeat, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Side by side."""
        repeated = tensors[step.source]
        for axis, factor in enumerate(step.factors, 2):
            repeated = repeated.repeat_interleave(factor, axis)
        return repeated

    def build(self, builder: GraphBuilder, step: Repeat) -> None:
        """Concatenations with itself."""
        factor = step.factors[0]
        builder.sizes[step.output] = tuple(factor * side for side in builder.sizes[step.source])
        builder.name(builder.repeated(step.source, factor), step.output)

    def compile(self, plan: Plan, step: Repeat) -> bool:
        """Each pixel several times."""
        factor = step.factors[0]
        plan.sizes[step.output] = tuple(factor * side for side in plan.sizes[step.source])
        plan.call("place", plan.planes(step.source), factor, 0, plan.planes(step.output))
        return True


OPERATORS = (NearestUpsampling(),)
