"""Convolution of any kernel, stride, dilation and groups, with zeros around its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import brevitas.nn as qnn
import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

from quant.integer.nodes import attribute
from quant.integer.program import Conv, Step, window_sizes
from quant.layers.fused import FusedQuantConv2d
from quant.operators.filters import Filters
from quant.operators.operator import refuse
from quant.operators.volumes import SIDES
from quant.operators.zero_taps import fill_gaps, reach_stride

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

    from quant.integer.compiled.plan import Plan
    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.torch_engine import TorchEngine
    from quant.twin.written import Translator


class Convolution(Filters):
    """Conv2d."""

    kinds = (nn.Conv2d,)
    written = (nn.Linear,)
    told = "Conv2d"
    names = ("Conv",)
    steps = (Conv,)
    makes_logits = True
    is_followed = True
    layer = qnn.QuantConv2d
    before_norm = FusedQuantConv2d

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """As a subclass of Conv2d calls it, whose forward pads or scales its weights."""
        return {functional.conv2d: self.convolve}

    def convolve(
        self,
        translator: Translator,
        x: fx.Node,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> fx.Node:
        """By the filters that ``weight`` (O, I / groups, KH, KW) holds now; they are trained as they are."""
        if not isinstance(x, fx.Node) or isinstance(weight, fx.Node) or isinstance(bias, fx.Node):
            refuse("has filters that are computed from the image; only those of weights have an integer form")
        outputs, inputs, *kernel = weight.shape
        module = nn.Conv2d(
            inputs * groups, outputs, tuple(kernel), stride, padding, dilation, groups, bias=bias is not None
        )
        with torch.no_grad():
            module.weight.copy_(weight)
            if bias is not None:
                module.bias.copy_(bias)
        return self.take(translator, module, (x,), translator.own_name("convolution"))

    def take(self, translator: Translator, module: nn.Module, inputs: tuple[Any, ...], name: str) -> fx.Node:
        """A padding given as a word becomes numbers; more of it on one side zeros of their own. A dense layer on one
        pixel is a 1x1 convolution.
        """
        if isinstance(module, nn.Linear):
            return translator.emit(_of_one_pixel(translator, module, inputs[0]), inputs, name)
        if module.padding_mode != "zeros":
            refuse(f"has padding_mode='{module.padding_mode}'; only 'zeros' lowers: a border is code 0")
        if module.stride[0] != module.stride[1]:
            refuse(f"has stride {module.stride}; only the same for height and width lowers")
        if isinstance(module.padding, str):
            total = [0, 0]
            if module.padding == "same":
                total = [step * (size - 1) for step, size in zip(module.dilation, module.kernel_size, strict=True)]
            before = [size // 2 for size in total]
            if any(size % 2 for size in total):
                (top, left), (bottom, right) = before, (size - less for size, less in zip(total, before, strict=True))
                _, channels, height, width = translator.shape(inputs[0])
                shape = (1, channels, top + height + bottom, left + width + right)
                inputs = (translator.emit(nn.ZeroPad2d((left, right, top, bottom)), inputs, shape=shape),)
                before = [0, 0]
            module.padding = tuple(before)
            module._reversed_padding_repeated_twice = [size for size in before[::-1] for _ in range(2)]
        return translator.emit(module, inputs, name)

    def window(self, module: nn.Module) -> int:
        """The kernel, with its gaps."""
        return module.dilation[0] * (module.kernel_size[0] - 1) + 1

    def unquantized(self, module: nn.Module, *inputs: torch.Tensor) -> torch.Tensor:
        """By the float weights."""
        return module._conv_forward(inputs[0], module.weight, module.bias)

    def tidy(self, model: ModelWrapper, node: NodeProto) -> None:
        """Depthwise kernels without gaps, and none less than its stride."""
        fill_gaps(model, node)
        reach_stride(model, node)

    def more_of(self, node: NodeProto) -> dict[str, Any]:
        """Its dilations."""
        return {"dilations": tuple(attribute(node, "dilations", [1, 1]))}

    def accumulators(self, engine: TorchEngine, step: Conv, source: torch.Tensor) -> torch.Tensor:
        """By float64, where every integer below 2**53 is exact."""
        top, left, bottom, right = step.pads
        padded = functional.pad(source, (left, right, top, bottom))
        return functional.conv2d(padded, engine.weights[step.name], None, step.strides, 0, step.dilations, step.groups)

    def build(self, builder: GraphBuilder, step: Step) -> None:
        """Of the graph's own."""
        builder.conv(step)

    def compile(self, plan: Plan, step: Conv) -> bool:
        """Taps of all channels of a group."""
        plan.sizes[step.output] = window_sizes(
            plan.sizes[step.source], step.kernel, step.pads, step.strides, step.dilations
        )
        codes, start = plan.program.codes[step.source], np.zeros(step.out_channels, np.int64)
        taps, stride = plan.taps(step.source, step)  # (I, KH * KW)
        plan.filter(
            step,
            taps.reshape(step.groups, -1),
            step.weights.reshape(step.out_channels, -1),
            stride=stride,
            least=codes.low,
            most=codes.high,
            start=step.bias if step.staircase is None else start,
        )
        return True


def _of_one_pixel(translator: Translator, linear: nn.Linear, source: fx.Node) -> nn.Conv2d | nn.Conv3d:
    _, channels, *sides = translator.shape(source)
    if channels != linear.in_features or set(sides) != {1}:
        sizes = "x".join(map(str, translator.shape(source)[1:]))
        refuse(f"is a Linear of {sizes}; only one of the channels of a single pixel lowers, as a 1x1 convolution")
    kind = nn.Conv3d if len(sides) == SIDES else nn.Conv2d
    conv = kind(linear.in_features, linear.out_features, 1, bias=linear.bias is not None)
    with torch.no_grad():
        conv.weight.copy_(linear.weight.reshape(conv.weight.shape))
        if linear.bias is not None:
            conv.bias.copy_(linear.bias)
    return conv


OPERATORS = (Convolution(),)
