"""Max pooling of volumes: the greatest code of each window; padding stands for no value at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn
from torch.nn import functional

from quant.integer.program import Step
from quant.operators.layers import HandingOn
from quant.operators.operator import refuse
from quant.operators.pooling_modules import MaxPoolModules
from quant.operators.volumes import SIDES, is_of_volumes, numbers, padded, triple
from quant.operators.windows import windows_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from quant.integer.parse import Parser
    from quant.integer.torch_engine import TorchEngine
    from quant.twin.written import Translator


@dataclass(frozen=True)
class MaxPool3d(Step):
    """``pads``: before x, y and z, then after them."""

    name: str
    source: str
    output: str
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]


class MaxPooling3d(MaxPoolModules, HandingOn):
    """MaxPool3d, ``F.max_pool3d``; AdaptiveMaxPool3d where all windows are alike."""

    kinds = (nn.MaxPool3d,)
    written = (nn.AdaptiveMaxPool3d,)
    told = "MaxPool3d (of volumes)"
    names = ("MaxPool",)
    steps = (MaxPool3d,)
    lets_pass = True
    of_volumes = True

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """By all their names."""
        names = dict.fromkeys((functional.max_pool3d, torch.max_pool3d), self.pool)
        return {**names, functional.adaptive_max_pool3d: self.adaptive}

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
        """Whole windows alone."""
        del return_indices  # with it there are several tensors, which is refused before
        if ceil_mode:
            refuse("is a MaxPool3d with ceil_mode; only whole windows are taken: leave it out")
        kernel, strides, pads, gaps = map(triple, (kernel_size, stride or kernel_size, padding, dilation))
        return translator.emit(nn.MaxPool3d(kernel, strides, pads, gaps), (x,), name)

    def adaptive(
        self,
        translator: Translator,
        x: fx.Node,
        output_size: Any,
        return_indices: bool = False,
        *,
        name: str | None = None,
    ) -> fx.Node:
        """Windows without overlap."""
        del return_indices  # as of ``pool``
        return self.pool(translator, x, windows_of(translator, x, output_size), name=name)

    def takes(self, node: NodeProto) -> bool:
        """Of MaxPool, three sides."""
        return is_of_volumes(node)

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """Whole windows."""
        source = parser.codes_input(node, 0)
        kernel, strides, dilations = (numbers(node, name, 1) for name in ("kernel_shape", "strides", "dilations"))
        pads = numbers(node, "pads", 0, 2 * SIDES)
        step = MaxPool3d(node.name, source, node.output[0], kernel, strides, pads, dilations)
        parser.hand_on(node, step, parser.codes[source], parser.channels[source])

    def run(self, engine: TorchEngine, step: Any, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Padding is less than any code."""
        source = padded(tensors[step.source], step.pads, -torch.inf)
        return functional.max_pool3d(source, step.kernel, step.strides, 0, step.dilations)


OPERATORS = (MaxPooling3d(),)
