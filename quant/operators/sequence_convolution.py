"""Conv1d over the channels of one pixel, as ECA's gate has it: a pointwise convolution whose other weights are zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from quant.operators.operator import Operator, refuse
from quant.operators.rearrangement import Moved, numbers_of

if TYPE_CHECKING:
    from quant.twin.written import Translator


class SequenceConvolution(Operator):
    """Conv1d of (1, 1, C), or of any other order of a pixel's channels."""

    written = (nn.Conv1d,)
    told = "Conv1d over the channels of one pixel"
    takes_moved = True

    def take(self, translator: Translator, module: nn.Module, inputs: tuple[Any, ...], name: str) -> fx.Node | Moved:
        """What it makes of each channel alone are the weights."""
        del name
        (moved,) = inputs
        if not isinstance(moved, Moved) or translator.shape(moved.source)[2:] != (1, 1):
            refuse("is a Conv1d of more than one pixel; over the channels of one it lowers, else write a Conv2d")
        channels = translator.shape(moved.source)[1]
        places = torch.stack([(moved.numbers[0] == channel).to(torch.float32) for channel in range(channels)])
        with torch.no_grad():
            made = torch.cat([module(place[None]) for place in places])  # (C, O, L)
            constant = module(torch.zeros_like(places[:1]))
        made = (made - constant).flatten(1)
        conv = nn.Conv2d(channels, made.shape[1], 1, bias=module.bias is not None)
        with torch.no_grad():
            conv.weight.copy_(made.T[:, :, None, None])
            if conv.bias is not None:
                conv.bias.copy_(constant.flatten())
        node = translator.emit(conv, (moved.source,), shape=(1, made.shape[1], 1, 1))
        return Moved(node, numbers_of(tuple(constant.shape)), translator.node)


OPERATORS = (SequenceConvolution(),)
