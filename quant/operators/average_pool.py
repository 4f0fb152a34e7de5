"""Average of 2x2 pixels, stride 2: four times it is an integer, then a quantizer of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnx import TensorProto
from torch import fx, nn
from torch.nn import functional

from quant.base.errors import ExportError
from quant.integer.nodes import attribute
from quant.integer.program import Staircase, Step
from quant.operators.layers import Averaging
from quant.operators.operator import pair, refuse
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


class AveragePooling(Averaging):
    """AvgPool2d(2), ``F.avg_pool2d(x, 2)``; what is written for other windows, too, which are `window_average`'s."""

    kinds = (nn.AvgPool2d,)
    told = "AvgPool2d(2)"
    names = ("AveragePool",)
    steps = (AveragePool,)

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """The function of the same name."""
        return {functional.avg_pool2d: self.pool}

    def take(self, translator: Translator, module: nn.Module, inputs: tuple[Any, ...], name: str) -> fx.Node:
        """As the function."""
        settings = (module.kernel_size, module.stride, module.padding, module.ceil_mode, module.count_include_pad)
        return self.pool(translator, inputs[0], *settings, module.divisor_override, name=name)

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
        """Windows that count as many pixels everywhere; zeros around the image are a layer of their own."""
        kernel, strides, around = (pair(value) for value in (kernel_size, stride or kernel_size, padding))
        if strides[0] != strides[1] or kernel == (1, 1) or ceil_mode or divisor_override:
            refuse(
                f"averages with kernel {kernel} and stride {strides}; windows of more than a pixel, with the same"
                " stride for height and width, lower, without ceil_mode and divisor_override"
            )
        if any(around) and not count_include_pad:
            refuse(
                "divides by fewer pixels at the border than inside; count the padding (count_include_pad=True), or pool"
                " without"
            )
        if (kernel, strides, around) == ((2, 2), (2, 2), (0, 0)):
            return translator.emit(nn.AvgPool2d(2), (x,), name)
        if any(around):
            batch, channels, height, width = translator.shape(x)
            size = (batch, channels, height + 2 * around[0], width + 2 * around[1])
            x = translator.emit(nn.ZeroPad2d((around[1], around[1], around[0], around[0])), (x,), shape=size)
        return translator.emit(WindowMean(kernel, strides), (x,), name)

    def window(self, module: nn.Module) -> int:
        """Two rows."""
        return 2

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """Of even sides."""
        source = parser.codes_input(node, 0)
        shape = parser.model.get_tensor_shape(node.input[0])[2:]
        for name, value in {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0] * 4}.items():
            if list(attribute(node, name, [0] * 4)) != value:
                raise ExportError(f"average-pool '{node.name}' must be 2x2 with stride 2 and no padding")
        if any(side % 2 for side in shape):
            raise ExportError(
                f"average-pool '{node.name}' halves {shape[0]}x{shape[1]}; export for an image whose sides are even"
                " there"
            )
        self.start_mean(parser, node, AveragePool(node.name, source, node.output[0], None), _PIXELS)

    def accumulators(self, step: AveragePool, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Their sum."""
        return (_PIXELS * functional.avg_pool2d(tensors[step.source], 2)).round()

    def build(self, builder: GraphBuilder, step: AveragePool) -> None:
        """Sums in float32, which are exact, and a line."""
        height, width = builder.sizes[step.source]
        builder.sizes[step.output] = (height // 2, width // 2)
        channels = builder.lanes * builder.program.channels[step.source]
        pixels = builder.node("Cast", [step.source], to=TensorProto.FLOAT)
        pixels = builder.reshape(pixels, (height // 2, 2, width // 2, 2 * channels))
        halves = builder.node("ReduceSum", [pixels, builder.constant(np.array([1], np.int64))], keepdims=0)
        halves = builder.reshape(halves, (height // 2, width // 2, 2, channels))
        sums = builder.node("ReduceSum", [halves, builder.constant(np.array([2], np.int64))], keepdims=0)
        sums = builder.reshape(sums, (1, height // 2, width // 2, channels))
        self.build_mean(builder, step, sums, _PIXELS)


AVERAGES = AveragePooling()
OPERATORS = (AVERAGES,)
