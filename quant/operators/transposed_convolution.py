"""Transposed convolution whose output is exactly as many times as large as its stride says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import brevitas.nn as qnn
import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

from quant.integer.nodes import attribute
from quant.integer.program import Conv, Step
from quant.layers.fused import FusedQuantConvTranspose2d
from quant.operators.operator import refuse
from quant.operators.transposed_filters import MIN_STRIDE, TransposedFilters

if TYPE_CHECKING:
    from onnx import NodeProto

    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.torch_engine import TorchEngine
    from quant.twin.written import Translator


@dataclass(frozen=True)
class TransposedConv(Conv):
    """Each code times each weight is added to the pixels that it spreads to, ``strides`` apart; ``pads`` are cut off.

    ``low`` and ``high`` are of all weights of an output, though a pixel sees those of one phase.
    """

    output_padding: tuple[int, int] = (0, 0)


class TransposedConvolution(TransposedFilters):
    """ConvTranspose2d."""

    kinds = (nn.ConvTranspose2d,)
    told = "ConvTranspose2d as many times as large as its stride"
    steps = (TransposedConv,)
    layer = qnn.QuantConvTranspose2d
    before_norm = FusedQuantConvTranspose2d

    def take(self, translator: Translator, module: nn.Module, inputs: tuple[Any, ...], name: str) -> fx.Node:
        """One group, no dilation, equal strides, and no row or column more or less than the stride makes."""
        self.require_input_alone(inputs)
        if module.groups != 1 or module.dilation != (1, 1):
            refuse(f"has groups={module.groups} and dilation {module.dilation}; only one group without dilation lowers")
        stride = module.stride[0]
        settings = zip(module.kernel_size, module.padding, module.output_padding, strict=True)
        if module.stride != (stride, stride) or stride < MIN_STRIDE:
            refuse(f"has stride {module.stride}; only equal ones of 2 or more lower: with stride 1 write a Conv2d")
        if any(kernel + more - 2 * padding != stride for kernel, padding, more in settings):
            refuse(
                f"does not make its input exactly {stride} times as large; set padding and output_padding so, as in"
                " ConvTranspose2d(i, o, 3, 2, 1, 1)"
            )
        return translator.emit(module, inputs, name)

    def window(self, module: nn.Module) -> int:
        """From the first to the last row that a phase reads."""
        kernel, stride, padding = module.kernel_size[0], module.stride[0], module.padding[0]
        return (stride - 1 + padding) // stride + (kernel - 1 - padding) // stride + 1

    def unquantized(self, module: nn.Module, *inputs: torch.Tensor) -> torch.Tensor:
        """By the float weights."""
        return module.conv_transpose2d_zeros_pad(inputs[0], module.weight, module.bias, module.output_padding)

    def more_of(self, node: NodeProto) -> dict[str, Any]:
        """The rows and columns that it adds."""
        return {"output_padding": tuple(attribute(node, "output_padding", [0, 0]))}

    def accumulators(self, engine: TorchEngine, step: Conv, source: torch.Tensor) -> torch.Tensor:
        """By float64, where every integer below 2**53 is exact."""
        weights = engine.weights[step.name].transpose(0, 1)  # -> (I, O, KH, KW)
        return functional.conv_transpose2d(source, weights, None, step.strides, step.pads[:2], step.output_padding)

    def build(self, builder: GraphBuilder, step: Step) -> None:
        """In float32, where integers below 2**24 are exact in any order of their sums."""
        height, width = builder.sizes[step.source]
        builder.sizes[step.output] = (step.strides[0] * height, step.strides[1] * width)
        signed = step.staircase.sign[:, None, None, None] * step.weights
        weights = builder.constant(signed.swapaxes(0, 1).astype(np.float32))  # (I, O, KH, KW)
        accumulators = builder.node(
            "ConvTranspose",
            [builder.planes(step.source), weights],
            kernel_shape=list(step.kernel),
            pads=list(step.pads),
            strides=list(step.strides),
            output_padding=list(step.output_padding),
        )
        builder.codes_of(accumulators, step)


OPERATORS = (TransposedConvolution(),)
