"""Average of all pixels, or voxels: as many times it as there are pixels is an integer, then a quantizer of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnx import TensorProto
from torch import fx, nn
from torch.nn import functional

from quant.integer.program import Staircase, Step
from quant.operators.average_pool import AVERAGES
from quant.operators.average_pool3d import AVERAGES_3D
from quant.operators.channel_reduction import over_channels, weighted
from quant.operators.layers import Averaging
from quant.operators.line_average import HEIGHT, WIDTH, LineMean
from quant.operators.operator import pair, refuse
from quant.operators.volumes import SIDES, triple
from quant.operators.windows import windows_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser
    from quant.twin.written import Translator

_LINES = {(None, 1): WIDTH, (1, None): HEIGHT}  # output size -> the axis that becomes one pixel


@dataclass(frozen=True)
class GlobalAverage(Step):
    """Sum of all codes of a channel, ``pixels`` times their average, then a staircase (C = 1)."""

    name: str
    source: str
    output: str
    pixels: int
    staircase: Staircase


class GlobalAveraging(Averaging):
    """AdaptiveAvgPool2d(1), ``F.adaptive_avg_pool2d(x, 1)``, ``x.mean((2, 3), keepdim=True)``, and the same of volumes;
    to more pixels, windows of a size that the image decides, or lines.
    """

    kinds = (nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
    told = "averages of all pixels"
    names = ("GlobalAveragePool",)
    steps = (GlobalAverage,)
    settled = True

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """Also means over height and width."""
        pools = dict.fromkeys((functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d), self.pool)
        return {**pools, **dict.fromkeys((torch.mean, "mean"), self.mean)}

    def take(self, translator: Translator, module: nn.Module, inputs: tuple[Any, ...], name: str) -> fx.Node:
        """As the function."""
        return self.pool(translator, inputs[0], module.output_size, name=name)

    def pool(self, translator: Translator, x: fx.Node, output_size: Any, *, name: str | None = None) -> fx.Node:
        """To one pixel; to more where all windows are alike."""
        sides = translator.shape(x)[2:]
        if len(sides) == SIDES:
            if set(triple(output_size)) == {1}:
                return translator.emit(nn.AdaptiveAvgPool3d(1), (x,), name)
            return AVERAGES_3D.adaptive(translator, x, output_size, name=name)
        if pair(output_size) == (1, 1):
            return translator.emit(nn.AdaptiveAvgPool2d(1), (x,), name)
        if pair(output_size) in _LINES:
            return translator.emit(LineMean(_LINES[pair(output_size)]), (x,), name)
        windows = windows_of(translator, x, output_size)
        return x if windows == (1, 1) else AVERAGES.pool(translator, x, windows, name=name)

    def mean(self, translator: Translator, x: fx.Node, dim: Any = None, keepdim: bool = False) -> fx.Node:
        """Over height, width or both, or channels; without ``keepdim`` what follows takes it for one pixel, too."""
        _, channels, *sides = translator.shape(x)
        rank = 2 + len(sides)
        if over_channels(dim, rank):
            return weighted(translator, x, 1 / channels)
        given = dim if isinstance(dim, (tuple, list)) else (dim,)
        axes = sorted(axis % rank if isinstance(axis, int) else -1 for axis in given)
        if axes == list(range(2, rank)):
            whole = nn.AdaptiveAvgPool3d(1) if len(sides) == SIDES else nn.AdaptiveAvgPool2d(1)
            return translator.emit(whole, (x,), shape=(1, channels, *[1] * len(sides)))
        if len(sides) == SIDES:
            if not keepdim or min(axes) < HEIGHT:
                refuse(
                    f"is a mean over the dimensions {dim}; of volumes only those over x, y and z, 2, 3 and 4, over some"
                    " of them with keepdim=True, or over channels, 1, have an integer form"
                )
            return AVERAGES_3D.over(translator, x, axes)
        if axes not in ([HEIGHT], [WIDTH]):
            refuse(f"is a mean over the dimensions {dim}; only height, width or both, 2 and 3, or channels, 1, lower")
        shape = (1, channels, 1, sides[1]) if axes == [HEIGHT] else (1, channels, sides[0], 1)
        return translator.emit(LineMean(*axes), (x,), shape=shape)

    def rows_ahead(self, module: nn.Module, step_in: int, step_out: int) -> int:
        """The whole image, for which its one row stands."""
        return step_out

    def parts(self, module: nn.Module, *inputs: torch.Tensor) -> int:
        """Pixels."""
        return math.prod(int(side) for side in inputs[0].shape[2:])

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """Of as many pixels as float32 holds the sum of."""
        source = parser.codes_input(node, 0)
        pixels = math.prod(parser.model.get_tensor_shape(node.input[0])[2:])
        step = GlobalAverage(node.name, source, node.output[0], pixels, None)
        self.start_mean(parser, node, step, step.pixels)

    def accumulators(self, step: GlobalAverage, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Their sum."""
        codes = tensors[step.source]
        return codes.sum(tuple(range(2, codes.dim())), keepdim=True)

    def build(self, builder: GraphBuilder, step: GlobalAverage) -> None:
        """Sums in float32, which are exact, and a line."""
        builder.sizes[step.output] = (1, 1)
        pixels = builder.node("Cast", [step.source], to=TensorProto.FLOAT)
        sums = builder.node("ReduceSum", [pixels, builder.constant(np.array([1, 2], np.int64))], keepdims=1)
        self.build_mean(builder, step, sums, step.pixels)


OPERATORS = (GlobalAveraging(),)
