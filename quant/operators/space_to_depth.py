"""The pixels of a block become channels: pixel unshuffle, the focus of a detector's stem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
class Blocks(Step):
    """Channel c of row i and column j of a block becomes channel (i, j, c) of a pixel."""

    name: str
    source: str
    output: str
    block: int


def _blocks(x: torch.Tensor, block: int) -> torch.Tensor:
    batch, channels, height, width = x.shape
    apart = x.reshape(batch, channels, height // block, block, width // block, block)
    # (B, C, H, block, W, block) -> (B, block * block * C, H, W)
    return apart.permute(0, 3, 5, 1, 2, 4).reshape(batch, block**2 * channels, height // block, width // block)


class _AsOneNode(torch.autograd.Function):
    """What ONNX has an operator for, which PyTorch's exporter would write as three."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, block: int) -> torch.Tensor:
        del ctx
        return _blocks(x, block)

    @staticmethod
    def symbolic(g: Any, x: Any, block: int) -> Any:
        return g.op("SpaceToDepth", x, blocksize_i=block)


class BlocksToChannels(nn.Module):
    """Pixels of ``block`` x ``block`` as channels, in ONNX' order: all of the first pixel, of the one beside it, ..."""

    def __init__(self, block: int) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: torch.Tensor | QuantTensor) -> torch.Tensor | QuantTensor:
        """(B, C, H, W) -> (B, block**2 * C, H / block, W / block)."""
        return of_values(x, (_AsOneNode.apply if torch.onnx.is_in_onnx_export() else _blocks), self.block)


class SpaceToDepth(HandingOn):
    """PixelUnshuffle, ``F.pixel_unshuffle``, and what ``rearrangement`` finds to be it in another order."""

    kinds = (BlocksToChannels,)
    told = "PixelUnshuffle"
    names = ("SpaceToDepth",)
    steps = (Blocks,)
    lets_pass = True

    def rearranges(self) -> dict[Any, Callable[..., Any]]:
        """The module and two names of one function."""
        names = (functional.pixel_unshuffle, torch.pixel_unshuffle)
        return {nn.PixelUnshuffle: called, **dict.fromkeys(names, functional.pixel_unshuffle)}

    def window(self, module: nn.Module) -> int:
        """A block."""
        return module.block

    def rows_ahead(self, module: nn.Module, step_in: int, step_out: int) -> int:
        """All of a block but its first row."""
        return (module.block - 1) * step_in

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """Of blocks that fill the image."""
        source, block = parser.codes_input(node, 0), attribute(node, "blocksize", 0)
        height, width = parser.model.get_tensor_shape(node.input[0])[2:]
        if height % block or width % block:
            raise ExportError(f"'{node.name}' takes blocks of {block}x{block} of {height}x{width}; they must fill it")
        step = Blocks(node.name, source, node.output[0], block)
        parser.hand_on(node, step, parser.codes[source], block**2 * parser.channels[source])

    def run(self, engine: TorchEngine, step: Blocks, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """As the module."""
        return _blocks(tensors[step.source], step.block)

    def build(self, builder: GraphBuilder, step: Blocks) -> None:
        """Per lane."""
        (height, width), block, lanes = builder.sizes[step.source], step.block, builder.lanes
        height, width = builder.sizes[step.output] = (height // block, width // block)
        channels = builder.program.channels[step.source]
        # (H, block, W, block, lanes, C) -> (1, H, W, lanes * block * block * C)
        apart = builder.reshape(step.source, (height, block, width, block, lanes, channels))
        pixels = builder.node("Transpose", [apart], perm=[0, 2, 4, 1, 3, 5])
        builder.reshape(pixels, (1, height, width, lanes * block**2 * channels), step.output)


OPERATORS = (SpaceToDepth(),)
