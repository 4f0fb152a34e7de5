"""Pixel shuffle: the channels of a pixel become a block of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn
from torch.nn import functional

from quant.base.errors import ExportError
from quant.integer.nodes import attribute
from quant.integer.program import Step
from quant.operators.layers import HandingOn
from quant.operators.operator import refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser
    from quant.integer.torch_engine import TorchEngine
    from quant.twin.written import Translator

_MIN_BLOCK = 2


@dataclass(frozen=True)
class Shuffle(Step):
    """Channel (c, i, j) of a pixel becomes channel c of row i and column j of its block."""

    name: str
    source: str
    output: str
    block: int


class PixelShuffling(HandingOn):
    """PixelShuffle, ``F.pixel_shuffle``."""

    kinds = (nn.PixelShuffle,)
    told = "PixelShuffle"
    names = ("DepthToSpace",)
    steps = (Shuffle,)
    lets_pass = True
    needs_own_convolution = True

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """Two names of one."""
        return dict.fromkeys((functional.pixel_shuffle, torch.pixel_shuffle), self.shuffle)

    def take(self, translator: Translator, module: nn.Module, inputs: tuple[Any, ...], name: str) -> fx.Node:
        """As the function."""
        return self.shuffle(translator, inputs[0], module.upscale_factor, name=name)

    def shuffle(self, translator: Translator, x: fx.Node, upscale_factor: int, *, name: str | None = None) -> fx.Node:
        """Blocks of more than a pixel."""
        if upscale_factor < _MIN_BLOCK:
            refuse(f"makes blocks of {upscale_factor}x{upscale_factor} pixels; leave it out")
        return translator.emit(nn.PixelShuffle(upscale_factor), (x,), name)

    def rows_ahead(self, module: nn.Module, step_in: int, step_out: int) -> int:
        """None."""
        return 0

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """In PyTorch's order."""
        source, block = parser.codes_input(node, 0), attribute(node, "blocksize", 0)
        if attribute(node, "mode", b"DCR") != b"CRD":
            raise ExportError(f"'{node.name}' must have mode CRD, as PyTorch's pixel shuffle has")
        step = Shuffle(node.name, source, node.output[0], block)
        parser.hand_on(node, step, parser.codes[source], parser.channels[source] // block**2)

    def run(self, engine: TorchEngine, step: Shuffle, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """By torch's own."""
        return functional.pixel_shuffle(tensors[step.source], step.block)

    def build(self, builder: GraphBuilder, step: Shuffle) -> None:
        """Per lane."""
        (height, width), block, lanes = builder.sizes[step.source], step.block, builder.lanes
        builder.sizes[step.output] = (block * height, block * width)
        channels = builder.program.channels[step.output]
        # (1, H, W, lanes * C * block**2) -> (H, block, W, block, lanes, C)
        blocks = builder.reshape(step.source, (height, width, lanes, channels, block, block))
        pixels = builder.node("Transpose", [blocks], perm=[0, 4, 1, 5, 2, 3])
        builder.reshape(pixels, (1, block * height, block * width, lanes * channels), step.output)


OPERATORS = (PixelShuffling(),)
