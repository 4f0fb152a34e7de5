"""Brevitas layers that quantize in a few passes over the tensor: the same values and gradients.

Brevitas composes a quantizer of a dozen elementwise operators, each with a backward pass of its own, and works out its
scale anew at each call: two thirds of a training step. With a power-of-two scale all of it is one scaling, one rounding
and one clamp in place, and one masked copy of the gradient. Exports and layers that hand on their scale
(``return_quant_tensor``) go through Brevitas.

A threshold that is learned gets its gradient by straight-through estimators on rounding up its exponent and on rounding
codes, so that x takes part by its rounding error where it is in range and by the bound where it is clipped (S. Jain et
al., "Trained Quantization Thresholds", MLSys 2020).

In bfloat16 on a CPU a quantizer is a single pass, and joins the one of a BN before it (``passes.py``).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import brevitas.nn as qnn
import torch
from brevitas.quant_tensor import QuantTensor
from torch import nn

from quant.layers.passes import RELU, RELU6, Activation, activated, can_pass, rounding
from quant.layers.pointwise import is_pointwise, pointwise
from quant.layers.quantizers import log2_threshold

if TYPE_CHECKING:
    from collections.abc import Callable


class _RoundAndClamp(torch.autograd.Function):
    """``scale * clamp(round(x / scale), low, high)``, ties to even; the gradient passes where x lies in ``window``.

    ``log2_threshold`` is what ``scale`` was made from, given for its gradient alone.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        log2_threshold: torch.Tensor | None,
        scale: float,
        codes: tuple[int, int],
        window: tuple[float, float] | None,
    ) -> torch.Tensor:
        y = x.mul(1 / scale).round_().clamp_(*codes).mul_(scale)  # exact: 1 / scale is a power of two as well
        ctx.window = window
        if window is not None:
            ctx.save_for_backward(x, y if ctx.needs_input_grad[1] else None)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        if ctx.window is None:
            return gradient, None, None, None, None
        x, y = ctx.saved_tensors
        passed = torch.ops.aten.hardtanh_backward(gradient, x, *ctx.window)  # 0 outside low < x < high
        for_threshold = None
        if y is not None:
            # d y / d log2(threshold) = ln 2 * (y - x) in range, ln 2 * y where clipped
            shares = torch.addcmul(passed * (y - x), gradient - passed, y)
            for_threshold = math.log(2) * shares.sum(dtype=torch.float32)
        return passed, for_threshold, None, None, None


def plain(x: torch.Tensor | QuantTensor) -> torch.Tensor:
    """The plain tensor; quantizers before a convolution with a bias return theirs together with its scale."""
    return x.value if isinstance(x, QuantTensor) else x


def of_values(
    x: torch.Tensor | QuantTensor, function: Callable[..., torch.Tensor], *arguments: Any
) -> torch.Tensor | QuantTensor:
    """``function(values of x, *arguments)``, which moves values alone; a scale is handed on."""
    moved = function(plain(x), *arguments)
    return x.set(value=moved) if isinstance(x, QuantTensor) else moved


class _ScaleAsNumber:
    """The scale of an activation quantizer as a number, read again when its threshold has been written to."""

    _read_at: tuple[nn.Parameter, int] | None = None
    _scale = 0.0
    _bits = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_read_at": None}  # a copy's threshold counts its writes anew

    def _is_fusible(self) -> bool:
        return not (self.act_quant.export_mode or self.return_quant_tensor)

    def _scale_and_bits(self) -> tuple[float, int]:
        threshold = log2_threshold(self)
        if self._read_at is None or self._read_at[0] is not threshold or self._read_at[1] != threshold._version:
            self._scale, self._bits = self.act_quant.scale().item(), int(self.act_quant.bit_width())
            self._read_at = (threshold, threshold._version)
        return self._scale, self._bits

    def _codes(self, bits: int) -> tuple[int, int]:
        raise NotImplementedError

    def _window(self, codes: tuple[int, int], scale: float) -> tuple[float, float]:
        return (codes[0] - 0.5) * scale, (codes[1] + 0.5) * scale

    def as_activation(self) -> Activation | None:
        """What is done as a pass; None where the threshold learns or Brevitas is asked."""
        if not self._is_fusible() or log2_threshold(self).requires_grad:
            return None
        scale, bits = self._scale_and_bits()
        codes = self._codes(bits)
        return rounding(scale, codes, self._window(codes, scale))

    def forward(self, x: torch.Tensor | QuantTensor) -> torch.Tensor | QuantTensor:
        """As of the Brevitas layer."""
        if not self._is_fusible():
            return super().forward(x)
        x = plain(x)
        if can_pass(x):
            activation = self.as_activation()
            if activation is not None:
                return activated(x, activation)
        scale, bits = self._scale_and_bits()
        codes = self._codes(bits)
        return _RoundAndClamp.apply(x, log2_threshold(self), scale, codes, self._window(codes, scale))


class FusedQuantReLU(_ScaleAsNumber, qnn.QuantReLU):
    """ReLU and an unsigned quantizer: the clamp at 0 is the ReLU."""

    def _codes(self, bits: int) -> tuple[int, int]:
        return 0, 2**bits - 1

    def _window(self, codes: tuple[int, int], scale: float) -> tuple[float, float]:
        return 0.0, super()._window(codes, scale)[1]


class FusedQuantIdentity(_ScaleAsNumber, qnn.QuantIdentity):
    """A signed quantizer."""

    def _codes(self, bits: int) -> tuple[int, int]:
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


_ACTIVATIONS: dict[type, Activation] = {nn.ReLU: RELU, nn.ReLU6: RELU6}


def is_activation(module: nn.Module | None) -> bool:
    """Whether ``module`` may be a pass over a tensor (``as_activation``)."""
    return isinstance(module, _ScaleAsNumber) or type(module) in _ACTIVATIONS


def as_activation(module: nn.Module) -> Activation | None:
    """What ``module`` is as a pass over a tensor; None where it is none."""
    return module.as_activation() if isinstance(module, _ScaleAsNumber) else _ACTIVATIONS.get(type(module))


class FusedFilters(nn.Module):
    """Filters without bias whose weight scale is the constant 2**-(bits-1); gradients pass the clamp."""

    def __init__(self, *arguments: Any, weight_bit_width: int, **named: Any) -> None:
        super().__init__(*arguments, weight_bit_width=weight_bit_width, **named)
        self._limit = 2 ** (weight_bit_width - 1) - 1

    def forward(self, x: torch.Tensor | QuantTensor) -> torch.Tensor:
        if self.weight_quant.export_mode:
            return super().forward(x)
        return self._filtered(plain(x), self._quantized())

    def off_grid(self) -> torch.Tensor:
        """Squared distance () of the weights, clipped, from their quantized values, which get no gradient."""
        most = self._limit / (self._limit + 1)
        return (self.weight.clamp(-most, most) - self._quantized().detach()).square().sum()

    def _quantized(self) -> torch.Tensor:
        limit = self._limit
        return _RoundAndClamp.apply(self.weight, None, 1 / (limit + 1), (-limit, limit), None)


class _FusedConvolution(FusedFilters):
    """Of any number of sides."""

    def _filtered(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(x, weight, None)


class FusedQuantConv2d(_FusedConvolution, qnn.QuantConv2d):
    """A convolution."""

    def _filtered(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        if is_pointwise(self):
            return pointwise(self, x, weight, None)
        return super()._filtered(x, weight)


class FusedQuantConvTranspose2d(FusedFilters, qnn.QuantConvTranspose2d):
    """A transposed convolution."""

    def _filtered(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return self.conv_transpose2d_zeros_pad(x, weight, None, self.output_padding)


class FusedQuantConv3d(_FusedConvolution, qnn.QuantConv3d):
    """A convolution of volumes."""


class FusedQuantConvTranspose3d(FusedFilters, qnn.QuantConvTranspose3d):
    """A transposed convolution of volumes."""

    def _filtered(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return self.conv_transpose3d_zeros_pad(x, weight, None, self.output_padding)
