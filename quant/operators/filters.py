"""What layers of filters share: quantized weights, integer accumulators, and the BN behind them.

Filters stand as (outputs, inputs / groups, height, width) in an integer program, whatever the order in PyTorch; those
of volumes have three sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from brevitas.quant import Int32Bias
from torch import nn

from quant.base.errors import ExportError
from quant.integer.exact import require_exact
from quant.integer.nodes import attribute
from quant.integer.staircase import Affine, Chain
from quant.integer.torch_engine import by_channel
from quant.layers.quantizers import WeightConstantScale, WeightStoredScale
from quant.operators import operator_of
from quant.operators.operator import Operator

if TYPE_CHECKING:
    import brevitas.nn as qnn
    from onnx import NodeProto

    from quant.integer.parse import Parser
    from quant.integer.program import Conv, Step
    from quant.integer.torch_engine import TorchEngine
    from quant.layers.fused import FusedFilters


class Filters(Operator):
    """``layer`` is the module of Brevitas, ``before_norm`` that of ours with weights of a constant scale; the first of
    ``steps`` is what it becomes in an integer program.
    """

    is_filters = True
    output_axis: ClassVar[int] = 0  # of the weights of a module
    layer: ClassVar[type[qnn.QuantConv2d | qnn.QuantConvTranspose2d]]
    before_norm: ClassVar[type[FusedFilters]]

    def settings(self, module: nn.Module) -> dict[str, Any]:
        """Arguments that make another module like ``module``, beside channels and kernel."""
        names = ("stride", "padding", "dilation", "groups")
        return {name: getattr(module, name) for name in names}

    def quantized(self, module: nn.Module, weight_bits: int, *, has_norm: bool) -> nn.Module:
        """``module`` with quantized weights; a bias stays where no BN, which would take it, stands behind."""
        has_bias = module.bias is not None and not has_norm
        made = (self.before_norm if has_norm else self.layer)(
            module.in_channels,
            module.out_channels,
            module.kernel_size,
            **self.settings(module),
            bias=has_bias,
            weight_quant=WeightConstantScale if has_norm else WeightStoredScale,
            weight_bit_width=weight_bits,
            bias_quant=Int32Bias if has_bias else None,
        )
        with torch.no_grad():
            made.weight.copy_(module.weight)
            if has_bias:
                made.bias.copy_(module.bias)
        made.weight.requires_grad_(module.weight.requires_grad)  # what shifts channels is not trained
        return made

    def low_and_high(self, integers: np.ndarray, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest accumulator (O,) of weights (O, I / groups, KH, KW) and codes ``low`` to ``high``."""
        ends = integers * low, integers * high
        low_end, high_end = (each(*ends).reshape(len(integers), -1).sum(axis=1) for each in (np.minimum, np.maximum))
        return low_end, high_end

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """Weights, accumulators and bias; what follows, down to the quantizer, becomes thresholds."""
        source = parser.codes_input(node, 0)
        weights = parser.weights.get(node.input[1])
        if weights is None:
            raise ExportError(f"convolution '{node.name}' has float weights; quantize them")
        integers, codes = np.ascontiguousarray(weights.integers.swapaxes(0, self.output_axis)), parser.codes[source]
        low, high = self.low_and_high(integers, codes.low, codes.high)
        require_exact(node.name, "accumulators", low, high)
        scale = np.broadcast_to(weights.scale.reshape(-1) * codes.scale, (len(integers),)).astype(np.float64)
        chain, shift = Chain(scale, low, high), np.zeros(len(integers))
        if len(node.input) > 2:
            bias = parser.weights.get(node.input[2])
            if bias is None:
                raise ExportError(f"convolution '{node.name}' has a float bias; quantize it to the accumulator's scale")
            shift = (bias.integers * bias.scale).reshape(-1)
            chain = chain.then(Affine(np.ones(len(integers)), shift))
        step = self.steps[0](
            name=node.name,
            source=source,
            output=node.output[0],
            weights=integers,
            pads=tuple(attribute(node, "pads", [0] * 4)),
            groups=attribute(node, "group", 1),
            low=low,
            high=high,
            scale=scale,
            shift=shift,
            layer=node.doc_string,
            strides=tuple(attribute(node, "strides", [1, 1])),
            **self.more_of(node),
        )
        parser.start(node, step, chain, len(integers))

    def more_of(self, node: NodeProto) -> dict[str, Any]:
        """Fields of its step that other filters do not have or leave at their defaults."""
        return {}

    def accumulators(self, engine: TorchEngine, step: Conv, source: torch.Tensor) -> torch.Tensor:
        """(N, O, H, W) float64, rounded to the integers that they are."""
        raise NotImplementedError

    def run(self, engine: TorchEngine, step: Step, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Accumulators, then codes; of the last layer accumulators and bias."""
        accumulators = self.accumulators(engine, step, tensors[step.source]).round()
        if step.staircase is None:
            return accumulators + by_channel(engine.tensor(step.bias), accumulators)
        return engine.climb(step.name, step.staircase, accumulators)


def by_output(module: nn.Module, weight: torch.Tensor) -> torch.Tensor:
    """``weight`` of the filters ``module``, or a tensor of its shape, as a view (O, I / groups, KH, KW)."""
    return weight.transpose(0, operator_of(module).output_axis)


def is_filters(module: nn.Module | None) -> bool:
    """Whether ``module``, of a network in normal form or of a twin, has filters."""
    operator = operator_of(module)
    return operator is not None and operator.is_filters
