"""Layers of the twin that end in a quantizer.

Rounding: Brevitas and QONNX round half to even, integer thresholds round half up. Convolutions never meet a tie (see
``settle.py``); sums and bilinear outputs would, so a constant far below their grid is added first. Both rules then
agree, and the project's rule is: round half up.
"""

from __future__ import annotations

import torch
from torch import nn

from quant.layers.frozen_norm import FrozenNorm, Norm
from quant.layers.fused import FusedQuantIdentity, FusedQuantReLU, plain
from quant.operators import operator_of

# Below half of every grid step here (the finest is an 8-bit scale over 16), exact in float32 beside values under 2**7.
TIE_BREAK = 2.0**-16


class QuantizedNorm(Norm):
    """A BN whose output is quantized, with all that ``norm`` has; a ``FrozenNorm`` takes no statistics here either."""

    def __init__(self, norm: nn.BatchNorm2d, quantizer: nn.Module) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        self.load_state_dict({name: value for name, value in norm.state_dict().items() if name in self.state_dict()})
        self.frozen = isinstance(norm, FrozenNorm) or getattr(norm, "frozen", False)
        self.quantizer = quantizer
        self.train(norm.training)

    def train(self, mode: bool = True) -> QuantizedNorm:
        """As of ``nn.Module``."""
        super().train(mode)
        self.training = mode and not self.frozen
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.quantizer(super().forward(plain(x)))


class QuantizedActivation(nn.Module):
    """Any other activation, then a signed quantizer."""

    def __init__(self, activation: nn.Module, quantizer: nn.Module) -> None:
        super().__init__()
        self.activation, self.quantizer = activation, quantizer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.quantizer(self.activation(plain(x)))


class QuantizedMultiples(nn.Module):
    """A layer that gives exact multiples of a fraction of its codes, as sums and means do, then a quantizer of its own
    (an Identity where a ReLU with one follows).
    """

    def __init__(self, layer: nn.Module, quantizer: nn.Module) -> None:
        super().__init__()
        self.layer, self.quantizer = layer, quantizer

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.quantizer(self.layer(*map(plain, inputs)) + TIE_BREAK)


class SettledMultiples(QuantizedMultiples):
    """The same of a layer whose values lie as near to each other as scales and sizes have it, or anywhere, as those of
    tables: ``shift``, of as many parts as the layer has of a code, takes them off the borders of two codes (see
    ``settle.py``).
    """

    def __init__(self, layer: nn.Module, quantizer: nn.Module) -> None:
        super().__init__(layer, quantizer)
        self.register_buffer("shift", torch.tensor(TIE_BREAK))

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        values = [plain(x) for x in inputs]
        return self.quantizer(self.layer(*values) + self.shift / operator_of(self.layer).parts(self.layer, *values))


def unquantized(module: nn.Module, *inputs: torch.Tensor) -> torch.Tensor:
    """What ``module`` of a twin gives in evaluation mode without its quantizers: float weights, no rounding."""
    operator = operator_of(module)
    if operator is not None:
        return operator.unquantized(module, *inputs)
    if isinstance(module, QuantizedNorm):
        return Norm.forward(module, inputs[0])
    if isinstance(module, QuantizedActivation):
        return module.activation(inputs[0])
    if isinstance(module, QuantizedMultiples):
        return module.layer(*inputs)
    if isinstance(module, FusedQuantReLU):
        return torch.relu(inputs[0])
    return inputs[0] if isinstance(module, FusedQuantIdentity) else module(*inputs)
