"""Convolution of volumes, of any kernel, stride, dilation and groups, with zeros around its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import brevitas.nn as qnn
import torch
from torch import fx, nn
from torch.nn import functional

from quant.integer.program import Conv
from quant.layers.fused import FusedQuantConv3d
from quant.operators.filters import Filters
from quant.operators.operator import refuse
from quant.operators.volumes import is_of_volumes, numbers, padded

if TYPE_CHECKING:
    from onnx import NodeProto

    from quant.integer.torch_engine import TorchEngine
    from quant.twin.written import Translator


@dataclass(frozen=True)
class Conv3d(Conv):
    """``weights`` (O, I / groups, KX, KY, KZ); ``pads``: before x, y and z, then after them."""


class Convolution3d(Filters):
    """Conv3d."""

    kinds = (nn.Conv3d,)
    told = "Conv3d (of volumes, which do not lower)"
    names = ("Conv",)
    steps = (Conv3d,)
    makes_logits = True
    of_volumes = True
    layer = qnn.QuantConv3d
    before_norm = FusedQuantConv3d

    def take(self, translator: Translator, module: Any, inputs: tuple[Any, ...], name: str) -> fx.Node:
        """Zeros around, as many as a number says."""
        if module.padding_mode != "zeros" or isinstance(module.padding, str):
            refuse(f"has padding '{module.padding}', padding_mode='{module.padding_mode}'; give numbers, and zeros")
        return translator.emit(module, inputs, name)

    def unquantized(self, module: Any, *inputs: torch.Tensor) -> torch.Tensor:
        """By the float weights."""
        return module._conv_forward(inputs[0], module.weight, module.bias)

    def takes(self, node: NodeProto) -> bool:
        """Of Conv, three sides."""
        return is_of_volumes(node)

    def more_of(self, node: NodeProto) -> dict[str, Any]:
        """Its dilations."""
        return {"dilations": numbers(node, "dilations", 1)}

    def accumulators(self, engine: TorchEngine, step: Conv, source: torch.Tensor) -> torch.Tensor:
        """By float64, where every integer below 2**53 is exact."""
        weights = engine.weights[step.name]
        return functional.conv3d(padded(source, step.pads), weights, None, step.strides, 0, step.dilations, step.groups)


OPERATORS = (Convolution3d(),)
