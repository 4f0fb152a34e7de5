"""Average of 2x2 pixels, stride 2: four times it is an integer, then a quantizer of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnx import TensorProto
from torch import fx, nn
from torch.nn import functional

from quant.integer.program import Staircase, Step
from quant.operators.layers import Averaging
from quant.operators.operator import pair, refuse
from quant.operators.pooling_modules import AveragePoolModules
from quant.operators.uneven_average import UnevenMean
from quant.operators.window_average import WindowMean

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser
    from quant.twin.written import Translator

_PIXELS = 4


@dataclass(frozen=True)
class AveragePool(Step):
    """Sum of 2x2 codes, which is four times their average, then a staircase (C = 1)."""

    name: str
    source: str
    output: str
    staircase: Staircase


class AveragePooling(AveragePoolModules, Averaging):
    """AvgPool2d(2), ``F.avg_pool2d(x, 2)``; what is written for other windows, too, which are `window_average`'s."""

    kinds = (nn.AvgPool2d,)
    told = "AvgPool2d(2)"
    names = ("AveragePool",)
    steps = (AveragePool,)

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """The function of the same name."""
        return {functional.avg_pool2d: self.pool}

    def pool(
        self,
        translator: Translator,
        x: fx.Node,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        name: str | None = None,
    ) -> fx.Node:
        """Zeros around the image that are counted are a layer of their own."""
        kernel, strides, around = (pair(value) for value in (kernel_size, stride or kernel_size, padding))
        blocks = kernel == strides and not (any(around) or ceil_mode)
        if (strides[0] != strides[1] and not blocks) or kernel == (1, 1) or divisor_override:
            refuse(
                f"averages with kernel {kernel} and stride {strides}; windows of more than a pixel, with the same"
                " stride for height and width or without overlap and padding, lower, without divisor_override"
            )
        if any(around) and count_include_pad:
            batch, channels, height, width = translator.shape(x)
            size = (batch, channels, height + 2 * around[0], width + 2 * around[1])
            x = translator.emit(nn.ZeroPad2d((around[1], around[1], around[0], around[0])), (x,), shape=size)
            around = (0, 0)
        if any(around) or ceil_mode:
            return translator.emit(UnevenMean(kernel, strides, around, ceil_mode, False), (x,), name)
        if (kernel, strides) == ((2, 2), (2, 2)):
            return translator.emit(nn.AvgPool2d(2), (x,), name)
        return translator.emit(WindowMean(kernel, strides), (x,), name)

    def window(self, module: nn.Module) -> int:
        """Two rows."""
        return 2

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """Of windows without padding; the last row and column of odd sides are in none."""
        source = parser.codes_input(node, 0)
        self.start_mean(parser, node, AveragePool(node.name, source, node.output[0], None), _PIXELS)

    def accumulators(self, step: AveragePool, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Their sum."""
        return (_PIXELS * functional.avg_pool2d(tensors[step.source], 2)).round()

    def build(self, builder: GraphBuilder, step: AveragePool) -> None:
        """Sums in float32, which are exact, and a line."""
        height, width = (side // 2 for side in builder.sizes[step.source])
        builder.sizes[step.output] = (height, width)
        channels = builder.lanes * builder.program.channels[step.source]
        bounds = [builder.constant(np.array(each, np.int64)) for each in ([0, 0], [2 * height, 2 * width], [1, 2])]
        pixels = builder.node("Slice", [step.source, *bounds])
        pixels = builder.node("Cast", [pixels], to=TensorProto.FLOAT)
        pixels = builder.reshape(pixels, (height, 2, width, 2 * channels))
        halves = builder.node("ReduceSum", [pixels, builder.constant(np.array([1], np.int64))], keepdims=0)
        halves = builder.reshape(halves, (height, width, 2, channels))
        sums = builder.node("ReduceSum", [halves, builder.constant(np.array([2], np.int64))], keepdims=0)
        sums = builder.reshape(sums, (1, height, width, channels))
        self.build_mean(builder, step, sums, _PIXELS)


AVERAGES = AveragePooling()
OPERATORS = (AVERAGES,)
