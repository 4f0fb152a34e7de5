"""Zeros around an image and its channels, as many on each side as are wanted: code 0, signed or not."""

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

_MODULES = (nn.ZeroPad2d, nn.ConstantPad2d, nn.ZeroPad3d, nn.ConstantPad3d)
_AXES = 4
_SIDES = 6  # of height, width and channels


@dataclass(frozen=True)
class Pad(Step):
    """``pads``: rows above, columns before, rows below, columns after. ``channels``: before and behind."""

    name: str
    source: str
    output: str
    pads: tuple[int, int, int, int]
    channels: tuple[int, int]


class ZeroPadding(HandingOn):
    """ZeroPad2d, ``F.pad``. A ZeroPad3d takes the channels of a batch of images for its depth."""

    kinds = (nn.ZeroPad2d, nn.ZeroPad3d)
    told = "zero padding"
    names = ("Pad",)
    steps = (Pad,)

    def rearranges(self) -> dict[Any, Callable[..., Any]]:
        """The function of every mode, and modules."""
        as_function = lambda module, numbers: self.pad(numbers, module.padding, value=module.value)  # noqa: E731
        return {functional.pad: self.pad, **dict.fromkeys(_MODULES, as_function)}

    def pad(self, numbers: torch.Tensor, pad: Any, mode: str = "constant", value: Any = None) -> torch.Tensor:
        """Zeros around height, width and channels; what is negative cuts off."""
        if not any(pad):
            return numbers
        if mode != "constant" or value or len(pad) > _SIDES:
            refuse(f"pads by {tuple(pad)}, mode='{mode}', value={value or 0}; only zeros around an image lower")
        return functional.pad(numbers, tuple(pad), value=ZERO)

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """Of constant sizes."""
        source, amounts = parser.codes_input(node, 0), parser.model.get_initializer(node.input[1])
        if attribute(node, "mode", b"constant") != b"constant" or amounts is None or amounts.size != 2 * _AXES:
            raise ExportError(f"'{node.name}' must pad by constant sizes with zeros")
        around = amounts.astype(int).reshape(2, _AXES)
        pads, channels = around[:, 2:].reshape(-1), around[:, 1]  # (top, left, bottom, right)
        step = Pad(node.name, source, node.output[0], tuple(pads.tolist()), tuple(channels.tolist()))
        parser.hand_on(node, step, parser.codes[source], parser.channels[source] + int(channels.sum()))

    def run(self, engine: TorchEngine, step: Pad, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Zeros."""
        top, left, bottom, right = step.pads
        return functional.pad(tensors[step.source], (left, right, top, bottom, *step.channels))

    def build(self, builder: GraphBuilder, step: Pad) -> None:
        """Stored zeros."""
        (top, left, bottom, right), (before, behind) = step.pads, step.channels
        size, lanes = builder.sizes[step.source], builder.lanes
        builder.sizes[step.output] = window_sizes(size, (1, 1), step.pads)
        apart = builder.reshape(step.source, (*size, lanes, builder.program.channels[step.source]))
        amounts = builder.constant(np.array([top, left, 0, before, bottom, right, 0, behind], np.int64))
        zero = builder.constant(np.uint8(-builder.program.codes[step.source].low))
        shape = (1, *builder.sizes[step.output], lanes * builder.program.channels[step.output])
        builder.reshape(builder.node("Pad", [apart, amounts, zero], mode="constant"), shape, step.output)


OPERATORS = (ZeroPadding(),)
