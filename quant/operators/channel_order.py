"""Channels in another order, as a channel shuffle has it; some may be left out, or repeated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from quant.base.errors import ExportError
from quant.integer.nodes import attribute
from quant.integer.program import Step
from quant.layers.fused import of_values
from quant.operators.layers import HandingOn
from quant.operators.operator import called

if TYPE_CHECKING:
    from collections.abc import Callable

    from brevitas.quant_tensor import QuantTensor
    from onnx import NodeProto

    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser
    from quant.integer.torch_engine import TorchEngine


@dataclass(frozen=True)
class Order(Step):
    """Channel ``index[k]`` of the source is channel k."""

    name: str
    source: str
    output: str
    index: tuple[int, ...]


class ChannelOrder(nn.Module):
    """The channels ``index`` of a tensor, one behind the other."""

    def __init__(self, index: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("index", torch.tensor(index), persistent=False)

    def forward(self, x: torch.Tensor | QuantTensor) -> torch.Tensor | QuantTensor:
        """(B, C, H, W) -> (B, len(index), H, W)."""
        return of_values(x, lambda values: values.index_select(1, self.index))


class ChannelOrdering(HandingOn):
    """ChannelShuffle, and what ``rearrangement`` finds to be an order of channels."""

    kinds = (ChannelOrder,)
    told = "channels in another order"
    names = ("Gather",)
    steps = (Order,)
    lets_pass = True

    def rearranges(self) -> dict[Any, Callable[..., Any]]:
        """ChannelShuffle and functions of that name."""
        names = (torch.channel_shuffle, functional.channel_shuffle)
        return {nn.ChannelShuffle: called, **dict.fromkeys(names, torch.channel_shuffle)}

    def rows_ahead(self, module: nn.Module, step_in: int, step_out: int) -> int:
        """None."""
        return 0

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """By a constant list."""
        source, index = parser.codes_input(node, 0), parser.model.get_initializer(node.input[1])
        if attribute(node, "axis", 0) != 1 or index is None or index.ndim != 1:
            raise ExportError(f"'{node.name}' must take channels by a constant list")
        count = parser.channels[source]
        step = Order(node.name, source, node.output[0], tuple(int(each) % count for each in index))
        parser.hand_on(node, step, parser.codes[source], len(index))

    def run(self, engine: TorchEngine, step: Order, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """By torch's own."""
        return tensors[step.source][:, list(step.index)]

    def build(self, builder: GraphBuilder, step: Order) -> None:
        """Of all lanes."""
        builder.sizes[step.output] = builder.sizes[step.source]
        lanes, count = np.arange(builder.lanes)[:, None], builder.program.channels[step.source]
        index = (lanes * count + np.array(step.index)).reshape(-1)
        builder.node("Gather", [step.source, builder.constant(index)], step.output, axis=3)


OPERATORS = (ChannelOrdering(),)
