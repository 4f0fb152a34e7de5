"""One pixel all over an image: what upsampling of an average of all pixels is, whatever its mode; or one of each row or
column.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx, nn

from quant.integer.program import Step
from quant.layers.fused import of_values
from quant.operators import operator_of
from quant.operators.channel_order import ChannelOrder
from quant.operators.layers import HandingOn
from quant.operators.operator import refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from brevitas.quant_tensor import QuantTensor
    from onnx import NodeProto

    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser
    from quant.integer.torch_engine import TorchEngine
    from quant.twin.written import Translator


@dataclass(frozen=True)
class Spread(Step):
    """The pixel of each channel, at ``size`` (H, W) places."""

    name: str
    source: str
    output: str
    size: tuple[int, int]


class AllOver(nn.Module):
    """A pixel (B, C, 1, 1), or a row or column of them, repeated to the height and width of another tensor, of which
    nothing else is read.
    """

    def forward(
        self, pixel: torch.Tensor | QuantTensor, like: torch.Tensor | QuantTensor
    ) -> torch.Tensor | QuantTensor:
        """Sizes are numbers in an export; a scale is handed on."""
        batch, channels = (int(size) for size in pixel.shape[:2])
        return of_values(pixel, torch.Tensor.expand, batch, channels, *(int(size) for size in like.shape[2:]))


class Spreading(HandingOn):
    """``F.interpolate`` and Upsample of one pixel, ``expand_as``."""

    kinds = (AllOver,)
    told = "one pixel all over an image"
    names = ("Expand",)
    steps = (Spread,)

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """Of the size of a tensor."""
        return {"expand_as": self.expand_as}

    def expand_as(self, translator: Translator, x: fx.Node, other: fx.Node) -> fx.Node:
        """Of one pixel."""
        before, after = translator.shape(x), translator.shape(other)
        if before == after:
            return x
        if not fills(before, after):
            sizes = " to ".join("x".join(map(str, shape[1:])) for shape in (before, after))
            refuse(
                f"expands {sizes}; only one pixel of each channel, row or column is repeated, and products need no"
                " expand_as"
            )
        return translator.emit(AllOver(), (x, other))

    def take(self, translator: Translator, module: nn.Module, inputs: tuple[Any, ...], name: str) -> fx.Node:
        """As it stands."""
        return translator.emit(module, inputs, name)

    def reads(self, node: fx.Node) -> list[fx.Node]:
        """The pixel; of the other the size alone."""
        return [node.args[0]]

    def rows_ahead(self, module: nn.Module, step_in: int, step_out: int) -> int:
        """None."""
        return 0

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """To the size that the graph has."""
        source = parser.codes_input(node, 0)
        step = Spread(node.name, source, node.output[0], tuple(parser.model.get_tensor_shape(node.output[0])[2:]))
        parser.hand_on(node, step, parser.codes[source], parser.channels[source])

    def run(self, engine: TorchEngine, step: Spread, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """The same everywhere."""
        return tensors[step.source].expand(-1, -1, *step.size)

    def build(self, builder: GraphBuilder, step: Spread) -> None:
        """The same everywhere."""
        builder.sizes[step.output] = step.size
        shape = (1, *step.size, builder.lanes * builder.program.channels[step.source])
        builder.node("Expand", [step.source, builder.constant(np.array(shape, np.int64))], step.output)


def fills(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Whether one pixel of each channel, or of each of its rows or columns, repeated, becomes ``large``."""
    return small[:2] == large[:2] and all(side in (1, whole) for side, whole in zip(small[2:], large[2:], strict=True))


def spread_to(translator: Translator, x: fx.Node, other: fx.Node) -> fx.Node:
    """``x`` at every place of ``other``, if it is one pixel of as many channels, or one of each row or column, or one
    channel of as many pixels.
    """
    before, after = translator.shape(x), translator.shape(other)
    if before != after and fills(before, after):
        return translator.emit(AllOver(), (x, other), shape=after)
    if before != after and before == (1, 1, *after[2:]):
        return translator.emit(ChannelOrder((0,) * after[1]), (x,), shape=after)
    return x


def all_over(translator: Translator, x: fx.Node, name: str | None) -> fx.Node:
    """The pixel ``x`` at every place of the image that the operation which is translated makes: one that it was
    averaged of.
    """
    size, waiting = translator.shape_made()[2:], [x]
    while waiting:
        node = waiting.pop()
        operator = operator_of(translator.module(node))
        for source in node.all_input_nodes if operator is None else operator.reads(node):
            if translator.shape(source)[2:] == size:
                return translator.emit(AllOver(), (x, source), name)
            waiting.append(source)
    sides = "x".join(map(str, size))
    return refuse(
        f"enlarges one pixel to {sides}, which is not the size of any tensor that it was averaged of; give"
        " it that size, then upsample"
    )


OPERATORS = (Spreading(),)
