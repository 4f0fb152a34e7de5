"""Zeros around an image, as many on each side as are wanted: code 0, signed or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

from quant.base.errors import ExportError
from quant.integer.nodes import attribute
from quant.integer.program import Step, window_sizes
from quant.operators.layers import HandingOn
from quant.operators.operator import refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser
    from quant.integer.torch_engine import TorchEngine
    from quant.twin.written import Translator

_SIDES = 4


@dataclass(frozen=True)
class Pad(Step):
    """``pads``: rows above, columns before, rows below, columns after."""

    name: str
    source: str
    output: str
    pads: tuple[int, int, int, int]


class ZeroPadding(HandingOn):
    """ZeroPad2d, ``F.pad``."""

    kinds = (nn.ZeroPad2d,)
    written = (nn.ConstantPad2d,)
    told = "zero padding"
    names = ("Pad",)
    steps = (Pad,)
    read_by_convolutions = True

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """The function of every mode."""
        return {functional.pad: self.pad}

    def take(self, translator: Translator, module: nn.Module, inputs: tuple[Any, ...], name: str) -> fx.Node:
        """As the function."""
        return self.pad(translator, inputs[0], module.padding, value=module.value, name=name)

    def pad(
        self,
        translator: Translator,
        x: fx.Node,
        pad: Any,
        mode: str = "constant",
        value: Any = None,
        *,
        name: str | None = None,
    ) -> fx.Node:
        """Zeros around height and width; none at all do nothing."""
        if not any(pad):
            return x
        if mode != "constant" or value or len(pad) > _SIDES or min(pad) < 0:
            refuse(
                f"pads by {tuple(pad)}, mode='{mode}', value={value or 0}; only zeros around height and width lower,"
                " and nothing is cut off"
            )
        left, right, top, bottom = (*pad, 0, 0)[:_SIDES]
        return translator.emit(nn.ZeroPad2d((left, right, top, bottom)), (x,), name)

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """Of constant sizes."""
        source, amounts = parser.codes_input(node, 0), parser.model.get_initializer(node.input[1])
        if attribute(node, "mode", b"constant") != b"constant" or amounts is None or amounts.size != 2 * _SIDES:
            raise ExportError(f"'{node.name}' must pad by constant sizes with zeros")
        around = amounts.astype(int).reshape(2, 4)[:, 2:].reshape(-1)  # (top, left, bottom, right)
        step = Pad(node.name, source, node.output[0], tuple(around.tolist()))
        parser.hand_on(node, step, parser.codes[source], parser.channels[source])

    def run(self, engine: TorchEngine, step: Pad, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Zeros."""
        top, left, bottom, right = step.pads
        return functional.pad(tensors[step.source], (left, right, top, bottom))

    def build(self, builder: GraphBuilder, step: Pad) -> None:
        """Stored zeros."""
        builder.sizes[step.output] = window_sizes(builder.sizes[step.source], (1, 1), step.pads)
        zero = np.uint8(-builder.program.codes[step.source].low)
        builder.name(builder.pad(step.source, step.pads, zero), step.output)


OPERATORS = (ZeroPadding(),)
