"""Max pooling of any window: the greatest code of each; padding stands for no value at all."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

from quant.base.errors import ExportError
from quant.integer.nodes import attribute
from quant.integer.program import Step, window_sizes
from quant.operators.layers import HandingOn
from quant.operators.operator import pair, refuse
from quant.operators.pooling_modules import MaxPoolModules
from quant.operators.windows import windows_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from quant.integer.compiled.plan import Plan
    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser
    from quant.integer.torch_engine import TorchEngine
    from quant.twin.written import Translator

_LEAST_HALVED = 2
_HALVES = ((2, 2), (2, 2), (0, 0), (1, 1))  # kernel, stride, padding, dilation of MaxPool2d(2)


@dataclass(frozen=True)
class MaxPool(Step):
    """``pads``: rows above, columns before, rows below, columns after, those that ``ceil_mode`` asks for among them."""

    name: str
    source: str
    output: str
    kernel: tuple[int, int] = (2, 2)
    strides: tuple[int, int] = (2, 2)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)


class MaxPooling(MaxPoolModules, HandingOn):
    """MaxPool2d, ``F.max_pool2d``; AdaptiveMaxPool2d, whose windows the image decides."""

    kinds = (nn.MaxPool2d,)
    written = (nn.AdaptiveMaxPool2d,)
    told = "MaxPool2d"
    names = ("MaxPool",)
    steps = (MaxPool,)
    lets_pass = True

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """By all their names."""
        names = dict.fromkeys((functional.max_pool2d, torch.max_pool2d), self.pool)
        return {**names, functional.adaptive_max_pool2d: self.adaptive}

    def pool(
        self,
        translator: Translator,
        x: fx.Node,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
        *,
        name: str | None = None,
    ) -> fx.Node:
        """Equal strides; one pixel alone is no window."""
        del return_indices  # with it there are several tensors, which is refused before
        settings = tuple(pair(value) for value in (kernel_size, stride or kernel_size, padding, dilation))
        kernel, strides, _, _ = settings
        if kernel == (1, 1) or strides[0] != strides[1]:
            refuse(
                f"is a max-pool with kernel {kernel} and stride {strides}; windows of more than a pixel, and the same"
                " stride for height and width, lower"
            )
        if settings == _HALVES and not ceil_mode:
            return translator.emit(nn.MaxPool2d(2), (x,), name)
        return translator.emit(nn.MaxPool2d(*settings, ceil_mode=ceil_mode), (x,), name)

    def adaptive(
        self,
        translator: Translator,
        x: fx.Node,
        output_size: Any,
        return_indices: bool = False,
        *,
        name: str | None = None,
    ) -> fx.Node:
        """Windows without overlap; large ones of even sides by halves, which need less memory."""
        del return_indices  # as of ``pool``
        windows = windows_of(translator, x, output_size)
        batch, channels, height, width = translator.shape(x)
        while min(windows) > _LEAST_HALVED and not any(side % 2 for side in windows):
            windows, height, width = tuple(side // 2 for side in windows), height // 2, width // 2
            x = translator.emit(nn.MaxPool2d(2), (x,), shape=(batch, channels, height, width))
        stride = 1 if windows == (height, width) else windows
        return x if windows == (1, 1) else self.pool(translator, x, windows, stride, name=name)

    def window(self, module: nn.Module) -> int:
        """The kernel, with its gaps."""
        return pair(module.dilation)[0] * (pair(module.kernel_size)[0] - 1) + 1

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """By the sizes that the graph has: what ``ceil_mode`` adds becomes padding."""
        source = parser.codes_input(node, 0)
        kernel, strides, dilations = (
            tuple(attribute(node, name, [1, 1])) for name in ("kernel_shape", "strides", "dilations")
        )
        pads = list(attribute(node, "pads", [0] * 4))
        before, after = (parser.model.get_tensor_shape(name)[2:] for name in (node.input[0], node.output[0]))
        for axis in range(2):
            if strides[axis] * (after[axis] - 1) >= before[axis] + pads[axis]:
                raise ExportError(
                    f"max-pool '{node.name}' has a last window that lies in padding alone, as ceil_mode may ask for;"
                    " leave ceil_mode out, or export for another size"
                )
            span = dilations[axis] * (kernel[axis] - 1) + 1
            needed = strides[axis] * (after[axis] - 1) + span - before[axis] - pads[axis]
            pads[axis + 2] = max(pads[axis + 2], needed)
        step = MaxPool(node.name, source, node.output[0], kernel, strides, tuple(pads), dilations)
        parser.hand_on(node, step, parser.codes[source], parser.channels[source])

    def run(self, engine: TorchEngine, step: MaxPool, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Padding is less than any code."""
        top, left, bottom, right = step.pads
        source = tensors[step.source]
        if any(step.pads):
            source = functional.pad(source, (left, right, top, bottom), value=-torch.inf)
        return functional.max_pool2d(source, step.kernel, step.strides, 0, step.dilations)

    def build(self, builder: GraphBuilder, step: MaxPool) -> None:
        """Padding is the least code, which is stored as 0."""
        builder.sizes[step.output] = window_sizes(
            builder.sizes[step.source], step.kernel, step.pads, step.strides, step.dilations
        )
        padded = builder.pad(step.source, step.pads)
        names = {"kernel_shape": step.kernel, "strides": step.strides, "dilations": step.dilations}
        attributes = {name: list(values) for name, values in names.items()}
        builder.name(builder.node("NhwcMaxPool", [padded], domain="com.microsoft", **attributes), step.output)

    def compile(self, plan: Plan, step: MaxPool) -> bool:
        """The border holds code 0, which is the least unless codes are signed."""
        if any(step.pads) and plan.program.codes[step.source].low < 0:
            return False
        plan.sizes[step.output] = window_sizes(
            plan.sizes[step.source], step.kernel, step.pads, step.strides, step.dilations
        )
        taps, stride = plan.taps(step.source, step)
        addresses = ctypes.c_void_p(plan.keep(taps, np.uint64))
        plan.call("max", addresses, taps.shape[1], ctypes.c_int64(stride), plan.planes(step.output))
        return True


OPERATORS = (MaxPooling(),)
