"""Averages whose windows count fewer pixels at the border: padding that is not counted, and ``ceil_mode``.

Each sum is brought to the common multiple of all numbers of pixels (`window_counts`). Then a quantizer of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnx import TensorProto
from torch import nn
from torch.nn import functional

from quant.base.errors import ExportError
from quant.integer.fit import line_of
from quant.integer.nodes import attribute
from quant.integer.program import Staircase, Step
from quant.operators.layers import Averaging
from quant.operators.window_counts import common_multiple, counts_along, factors_to, require_held, windows_along

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser

_NO_PADS = [0, 0, 0, 0]


@dataclass(frozen=True)
class UnevenAverage(Step):
    """Sum of each window's codes, times ``factors`` (H', W'), ``pixels`` times their average, then a staircase (C = 1).

    ``pads``: rows above, columns before, rows below, columns after, what ``ceil_mode`` adds among them; zeros stand
    there, which are not counted.
    """

    name: str
    source: str
    output: str
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    factors: np.ndarray
    pixels: int
    staircase: Staircase | None


class UnevenMean(nn.AvgPool2d):
    """AvgPool2d of a kernel, a stride and a padding (height, width) that counts the pixels of the image alone."""


class UnevenAveraging(Averaging):
    """AvgPool2d with ``count_include_pad=False`` or ``ceil_mode``."""

    kinds = (UnevenMean,)
    told = "AvgPool2d whose windows count fewer pixels at the border"
    names = ("AveragePool",)
    steps = (UnevenAverage,)
    settled = True

    def window(self, module: Any) -> int:
        """The kernel."""
        return module.kernel_size[0]

    def parts(self, module: Any, *inputs: torch.Tensor) -> int:
        """The common multiple of the numbers of pixels."""
        before = [int(side) for side in inputs[0].shape[2:]]
        settings = module.kernel_size, module.stride, module.padding
        after = [windows_along(*each, module.ceil_mode) for each in zip(before, *settings, strict=True)]
        return common_multiple(counts_along(before, after, *settings))

    def tidy(self, model: ModelWrapper, node: NodeProto) -> None:
        """Without ``ceil_mode`` where it changes nothing, since windows that count alike are simpler."""
        before, after = (model.get_tensor_shape(name)[2:] for name in (node.input[0], node.output[0]))
        kernel, strides, pads = _settings(node)
        counts = counts_along(before, after, kernel, strides, pads)
        if not any(pads) and all(np.ptp(each) == 0 for each in counts):
            kept = [each for each in node.attribute if each.name != "ceil_mode"]
            del node.attribute[:]
            node.attribute.extend(kept)

    def takes(self, node: NodeProto) -> bool:
        """With padding, or ``ceil_mode``."""
        pads: Any = attribute(node, "pads", _NO_PADS)
        return any(pads) or bool(attribute(node, "ceil_mode", 0))

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """Of codes whose multiples float32 holds."""
        source = parser.codes_input(node, 0)
        before, after = (parser.model.get_tensor_shape(name)[2:] for name in (node.input[0], node.output[0]))
        kernel, strides, before_pads = _settings(node)
        if attribute(node, "count_include_pad", 0):
            raise ExportError(f"average-pool '{node.name}' counts its padding; put zeros around the image before it")
        counts = counts_along(before, after, kernel, strides, before_pads)
        require_held(node.name, counts, parser.codes[source])
        pixels = common_multiple(counts)
        behind = [
            max(0, strides[axis] * (after[axis] - 1) + kernel[axis] - before[axis] - before_pads[axis])
            for axis in range(2)
        ]
        pads, factors = (*before_pads, *behind), factors_to(counts)
        step = UnevenAverage(node.name, source, node.output[0], kernel, strides, pads, factors, pixels, None)
        self.start_mean(parser, node, step, pixels)

    def accumulators(self, step: Any, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Their sums, times the factor of their place."""
        top, left, bottom, right = step.pads
        padded = functional.pad(tensors[step.source], (left, right, top, bottom))
        sums = functional.avg_pool2d(padded, step.kernel, step.strides, divisor_override=1)
        return sums * torch.from_numpy(step.factors).to(sums)

    def build(self, builder: GraphBuilder, step: Any) -> None:
        """Sums in float32 of averages that count zeros, too, rounded to the integers that they are, and a line."""
        codes = builder.program.codes[step.source]
        height, width = builder.sizes[step.output] = step.factors.shape
        pixels = builder.node("Cast", [step.source], to=TensorProto.FLOAT)
        pixels = builder.node("Add", [pixels, builder.constant(np.float32(codes.low))])
        planes = builder.node("Transpose", [pixels], perm=[0, 3, 1, 2])
        shape: dict[str, Any] = {"kernel_shape": step.kernel, "strides": step.strides, "pads": step.pads}
        means = builder.node("AveragePool", [planes], count_include_pad=1, **shape)
        size = builder.constant(np.float32(step.kernel[0] * step.kernel[1]))
        sums = builder.node("Round", [builder.node("Mul", [means, size])])
        sums = builder.node("Mul", [sums, builder.constant(step.factors.astype(np.float32))])
        sums = builder.node("Transpose", [sums], perm=[0, 2, 3, 1])
        channels = builder.lanes * builder.program.channels[step.source]
        sums = builder.reshape(sums, (1, height, width, channels))
        ends = (np.array([step.pixels * code]) for code in (codes.low, codes.high))
        builder.name(builder.line_codes(sums, line_of(step.staircase, *ends), step.name), step.output)


def _settings(node: Any) -> tuple[Any, Any, Any]:
    """Kernel, strides and padding before, each of rows and columns."""
    found: list[Any] = [attribute(node, name, [1, 1]) for name in ("kernel_shape", "strides")]
    pads: Any = attribute(node, "pads", _NO_PADS)
    return tuple(found[0]), tuple(found[1]), tuple(pads[:2])


OPERATORS = (UnevenAveraging(),)
