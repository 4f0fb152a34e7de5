"""Averages of windows that count as many pixels everywhere: their sums are integers, then a quantizer of its own.

Zeros around the image are a layer of their own before it. 2x2 pixels of stride 2 are `average_pool`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from onnx import TensorProto
from torch import nn
from torch.nn import functional

from quant.base.errors import ExportError
from quant.integer.nodes import attribute
from quant.integer.program import Staircase, Step, window_sizes
from quant.operators.layers import Averaging

if TYPE_CHECKING:
    from onnx import NodeProto

    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser

_NO_PADS = (0, 0, 0, 0)
_HALF = (2, 2)


@dataclass(frozen=True)
class WindowAverage(Step):
    """Sum of the codes of each window, ``pixels`` times their average, then a staircase (C = 1)."""

    name: str
    source: str
    output: str
    kernel: tuple[int, int]
    strides: tuple[int, int]
    staircase: Staircase | None

    @property
    def pixels(self) -> int:
        return self.kernel[0] * self.kernel[1]


class WindowMean(nn.AvgPool2d):
    """AvgPool2d without padding of a kernel and a stride (height, width)."""


class WindowAveraging(Averaging):
    """AvgPool2d of any kernel and stride."""

    kinds = (WindowMean,)
    told = "AvgPool2d whose windows count as many pixels everywhere"
    names = ("AveragePool",)
    steps = (WindowAverage,)
    settled = True

    def window(self, module: nn.Module) -> int:
        """The kernel."""
        return module.kernel_size[0]

    def parts(self, module: nn.Module, *inputs: torch.Tensor) -> int:
        """Pixels of a window."""
        return module.kernel_size[0] * module.kernel_size[1]

    def takes(self, node: NodeProto) -> bool:
        """All but halves; those with padding or ``ceil_mode`` are `uneven_average`'s."""
        shape = (tuple(attribute(node, name, [1, 1])) for name in ("kernel_shape", "strides"))
        return tuple(shape) != (_HALF, _HALF)

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """Of windows without padding, which end inside the image."""
        source = parser.codes_input(node, 0)
        kernel, strides = (tuple(attribute(node, name, [1, 1])) for name in ("kernel_shape", "strides"))
        sides = parser.model.get_tensor_shape(node.input[0])[2:]
        if strides[0] != strides[1] and any(side % stride for side, stride in zip(sides, strides, strict=True)):
            raise ExportError(
                f"average-pool '{node.name}' averages {kernel[0]}x{kernel[1]} pixels of {sides[0]}x{sides[1]}, which"
                " they do not fill; crop before it, or export for another size"
            )
        step = WindowAverage(node.name, source, node.output[0], kernel, strides, None)
        self.start_mean(parser, node, step, step.pixels)

    def accumulators(self, step: WindowAverage, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Their sum."""
        return (step.pixels * functional.avg_pool2d(tensors[step.source], step.kernel, step.strides)).round()

    def build(self, builder: GraphBuilder, step: WindowAverage) -> None:
        """Sums in float32 of averages, rounded to the integers that they are, and a line."""
        height, width = builder.sizes[step.output] = window_sizes(
            builder.sizes[step.source], step.kernel, _NO_PADS, step.strides
        )
        planes = builder.node(
            "Transpose", [builder.node("Cast", [step.source], to=TensorProto.FLOAT)], perm=[0, 3, 1, 2]
        )
        shape = {"kernel_shape": list(step.kernel), "strides": list(step.strides)}
        means = builder.node("AveragePool", [planes], **shape)
        sums = builder.node("Mul", [means, builder.constant(np.float32(step.pixels))])
        sums = builder.node("Transpose", [builder.node("Round", [sums])], perm=[0, 2, 3, 1])
        channels = builder.lanes * builder.program.channels[step.source]
        self.build_mean(builder, step, builder.reshape(sums, (1, height, width, channels)), step.pixels)


OPERATORS = (WindowAveraging(),)
