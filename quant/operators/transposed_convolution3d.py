"""Transposed convolution of volumes whose output is exactly as many times as large as its stride says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import brevitas.nn as qnn
import torch
from torch import fx, nn
from torch.nn import functional

from quant.integer.program import Conv
from quant.layers.fused import FusedQuantConvTranspose3d
from quant.operators.operator import refuse
from quant.operators.transposed_filters import MIN_STRIDE, TransposedFilters
from quant.operators.volumes import SIDES, is_of_volumes, numbers

if TYPE_CHECKING:
    from onnx import NodeProto

    from quant.integer.torch_engine import TorchEngine
    from quant.twin.written import Translator


@dataclass(frozen=True)
class TransposedConv3d(Conv):
    """Each code times each weight is added to the voxels it spreads to, ``strides`` apart; ``pads`` are cut off."""

    output_padding: tuple[int, ...] = (0, 0, 0)


class TransposedConvolution3d(TransposedFilters):
    """ConvTranspose3d."""

    kinds = (nn.ConvTranspose3d,)
    told = "ConvTranspose3d as many times as large as its stride (of volumes)"
    steps = (TransposedConv3d,)
    of_volumes = True
    layer = qnn.QuantConvTranspose3d
    before_norm = FusedQuantConvTranspose3d

    def take(self, translator: Translator, module: Any, inputs: tuple[Any, ...], name: str) -> fx.Node:
        """One group, no dilation, and no plane more or less than the stride makes."""
        self.require_input_alone(inputs)
        if module.groups != 1 or module.dilation != (1,) * SIDES:
            refuse(
                f"has groups={module.groups} and dilation {module.dilation}; only one group without dilation is taken"
            )
        sides = zip(module.kernel_size, module.padding, module.output_padding, module.stride, strict=True)
        if max(module.stride) < MIN_STRIDE or any(
            kernel + more - 2 * padding != stride for kernel, padding, more, stride in sides
        ):
            refuse(
                f"does not make its input exactly {module.stride} times as large, 2 or more along an axis; set padding"
                " and output_padding so, as in ConvTranspose3d(i, o, 2, stride=2)"
            )
        return translator.emit(module, inputs, name)

    def unquantized(self, module: Any, *inputs: torch.Tensor) -> torch.Tensor:
        """By the float weights."""
        return module.conv_transpose3d_zeros_pad(inputs[0], module.weight, module.bias, module.output_padding)

    def takes(self, node: NodeProto) -> bool:
        """Of ConvTranspose, three sides."""
        return is_of_volumes(node)

    def more_of(self, node: NodeProto) -> dict[str, Any]:
        """The planes that it adds."""
        return {"output_padding": numbers(node, "output_padding", 0)}

    def accumulators(self, engine: TorchEngine, step: Any, source: torch.Tensor) -> torch.Tensor:
        """By float64, where every integer below 2**53 is exact."""
        weights = engine.weights[step.name].transpose(0, 1)  # -> (I, O, KX, KY, KZ)
        return functional.conv_transpose3d(source, weights, None, step.strides, step.pads[:SIDES], step.output_padding)


OPERATORS = (TransposedConvolution3d(),)
