"""Zeros around an image, as many on each side as are wanted: code 0, signed or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from quant.base.errors import ExportError
from quant.integer.nodes import attribute
from quant.integer.program import Step, window_sizes
from quant.operators.layers import HandingOn
from quant.operators.operator import ZERO, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser
    from quant.integer.torch_engine import TorchEngine

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
    told = "zero padding"
    names = ("Pad",)
    steps = (Pad,)
    read_by_convolutions = True

    def rearranges(self) -> dict[Any, Callable[..., Any]]:
        """The function of every mode, and modules."""
        as_function = lambda module, numbers: self.pad(numbers, module.padding, value=module.value)  # noqa: E731
        return {functional.pad: self.pad, **dict.fromkeys((nn.ZeroPad2d, nn.ConstantPad2d), as_function)}

    def pad(self, numbers: torch.Tensor, pad: Any, mode: str = "constant", value: Any = None) -> torch.Tensor:
        """Zeros around height and width; what is negative cuts off."""
        if mode != "constant" or value or len(pad) > _SIDES:
            refuse(f"pads by {tuple(pad)}, mode='{mode}', value={value or 0}; only zeros around height and width lower")
        return functional.pad(numbers, tuple(pad), value=ZERO)

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
