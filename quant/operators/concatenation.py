"""Concatenation along the channels of tensors of one scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from models.layers import Concat as ConcatModule
from quant.base.errors import ExportError
from quant.integer.nodes import attribute
from quant.integer.program import Codes, Step
from quant.operators.layers import HandingOn
from quant.operators.operator import called, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from quant.integer.compiled.plan import Plan
    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser
    from quant.integer.torch_engine import TorchEngine
    from quant.twin.written import Translator


@dataclass(frozen=True)
class Concat(Step):
    """Channels of the first source, then of the next, and so on; one scale."""

    name: str
    sources: tuple[str, ...]
    output: str


class Concatenation(HandingOn):
    """Concat, ``torch.cat``."""

    kinds = (ConcatModule,)
    told = "concatenations"
    names = ("Concat",)
    steps = (Concat,)
    joins = True

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """By all their names."""
        return dict.fromkeys((torch.cat, torch.concat, torch.concatenate), self.concatenate)

    def rearranges(self) -> dict[Any, Callable[..., Any]]:
        """Where all are of one tensor."""
        return {**dict.fromkeys(self.functions(), torch.cat), ConcatModule: called}

    def take(self, translator: Translator, module: nn.Module, inputs: tuple[Any, ...], name: str) -> fx.Node:
        """As ``torch.cat`` along the channels."""
        return self.concatenate(translator, inputs, 1, name=name)

    def concatenate(self, translator: Translator, tensors: Any, dim: int = 0, *, name: str | None = None) -> fx.Node:
        """A tensor that stands there twice is copied."""
        if dim not in (1, -3):
            refuse(f"concatenates along dimension {dim}; only channels (dimension 1) are joined")
        tensors = tuple(tensors)
        tensors = tuple(
            translator.affine(x, 1.0, 0.0) if x in tensors[:index] else x for index, x in enumerate(tensors)
        )
        return translator.emit(ConcatModule(), tensors, name) if len(tensors) > 1 else tensors[0]

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """Codes of one scale and one sign."""
        if attribute(node, "axis", 1) != 1:
            raise ExportError(f"concatenation '{node.name}' must join tensors along the channels")
        names = tuple(parser.codes_input(node, index) for index in range(len(node.input)))
        codes = [parser.codes[name] for name in names]
        for name in names[1:]:
            parser.require_one_scale(node, names[0], name)
        if len({entry.low for entry in codes}) != 1:
            raise ExportError(f"concatenation '{node.name}' joins signed and unsigned codes; share a quantizer")
        joined = Codes(codes[0].scale, codes[0].low, max(entry.high for entry in codes))
        channels = sum(parser.channels[name] for name in names)
        parser.hand_on(node, Concat(node.name, names, node.output[0]), joined, channels)

    def run(self, engine: TorchEngine, step: Concat, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """One behind the other."""
        return torch.cat([tensors[name] for name in step.sources], dim=1)

    def build(self, builder: GraphBuilder, step: Concat) -> None:
        """Per lane."""
        height, width = builder.sizes[step.output] = builder.sizes[step.sources[0]]
        pixels = height * width * builder.lanes
        parts = [builder.reshape(name, (pixels, builder.program.channels[name])) for name in step.sources]
        joined = builder.node("Concat", parts, axis=1)
        channels = builder.program.channels[step.output]
        builder.reshape(joined, (1, height, width, builder.lanes * channels), step.output)

    def compile(self, plan: Plan, step: Concat) -> bool:
        """Planes behind planes."""
        plan.sizes[step.output] = plan.sizes[step.sources[0]]
        first = 0
        for name in step.sources:
            plan.call("place", plan.planes(name), 1, first, plan.planes(step.output))
            first += plan.program.channels[name]
        return True


OPERATORS = (Concatenation(),)
