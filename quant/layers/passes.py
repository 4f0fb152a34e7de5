"""BN, activation and quantizer in few passes over a bfloat16 tensor on a CPU, as training in bfloat16 needs them.

One by one, a BN and its ReLU read and write a tensor five times and their gradients eight times, at a fifth of the
speed of the memory: half of a training step. Together they read twice and write once, gradients four times and once.
Values are rounded to bfloat16 once, at the end. Sums are the same for any number of threads. Without a compiler, on
other devices and in other precisions ``fused`` calls the modules one by one.
"""

from __future__ import annotations

import ctypes
import math
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from quant.base.compiled_library import compiled_library

_SOURCE = Path(__file__).with_name("passes.cpp")
_IMAGES = 4  # axes


class Activation(ctypes.Structure):
    """``clamp(z, low, high)``, or ``scale * round(clamp(z / scale, low, high))`` where it ``rounds``, ties to even;
    gradients pass where ``above < z < below``.
    """

    _fields_ = [
        *((name, ctypes.c_float) for name in ("low", "high", "above", "below", "scale")),
        ("rounds", ctypes.c_int32),
    ]


NO_ACTIVATION = Activation(-math.inf, math.inf, -math.inf, math.inf, 1.0, 0)
RELU = Activation(0.0, math.inf, 0.0, math.inf, 1.0, 0)
RELU6 = Activation(0.0, 6.0, 0.0, 6.0, 1.0, 0)


def rounding(scale: float, codes: tuple[int, int], window: tuple[float, float]) -> Activation:
    """A quantizer of step ``scale`` to ``codes``, whose gradient passes in ``window``."""
    return Activation(*codes, *window, scale, 1)


@cache
def _kernels() -> ctypes.CDLL | None:
    return compiled_library("passes", _SOURCE)


def can_pass(x: Any) -> bool:
    """Whether there are passes for ``x``: a bfloat16 tensor on a CPU, and kernels."""
    return isinstance(x, torch.Tensor) and x.device.type == "cpu" and x.dtype == torch.bfloat16 and bool(_kernels())


def can_pass_norm(norm: nn.Module, x: Any) -> bool:
    """Whether there are passes for the BN ``norm`` of ``x``: of images (B, C, H, W), with factors and statistics."""
    return (
        isinstance(norm, nn.BatchNorm2d)
        and norm.affine
        and norm.track_running_stats
        and norm.momentum is not None
        and can_pass(x)
        and x.dim() == _IMAGES
        and (norm.training or not torch.is_grad_enabled())
    )


def activated(x: torch.Tensor, activation: Activation) -> torch.Tensor:
    """``activation`` of ``x``, of any shape."""
    return _Activated.apply(x, activation)


def normalized(norm: nn.BatchNorm2d, x: torch.Tensor, activation: Activation) -> torch.Tensor:
    """``activation(norm(x))`` (B, C, H, W), with the statistics of ``norm`` moved as in training; where it does not
    train, without a gradient.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    if not norm.training:
        return _forward(x, *_affine(norm.weight, norm.bias, norm.running_mean, norm.running_var, norm.eps), activation)
    mean, variance = _statistics(x)
    with torch.no_grad():
        count = x.numel() // x.shape[1]
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (count / max(count - 1, 1)), norm.momentum)
        norm.num_batches_tracked.add_(1)
    return _Normalized.apply(x, norm.weight, norm.bias, mean, variance, norm.eps, activation)


class _Activated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, activation: Activation) -> torch.Tensor:
        x = _dense(x)
        ctx.save_for_backward(x)
        ctx.activation = activation
        return _forward(x, _ONE, _ZERO, activation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        return _backward(x, gradient, _ONE, _ZERO, _ZERO, _ZERO, ctx.activation), None


class _Normalized(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        mean: torch.Tensor,
        variance: torch.Tensor,
        eps: float,
        activation: Activation,
    ) -> torch.Tensor:
        gain, shift = _affine(weight, bias, mean, variance, eps)
        ctx.save_for_backward(x, gain, shift, mean, variance)
        ctx.eps, ctx.activation = eps, activation
        return _forward(x, gain, shift, activation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, gain, shift, mean, variance = ctx.saved_tensors
        gradient = _like(gradient, x)
        channels = x.shape[1]
        rows = x.numel() // channels
        found = torch.empty(2, channels, dtype=torch.float64)
        _kernels().edgeseg_backward_sums(
            *map(_address, (x, gradient)),
            ctypes.c_int64(rows),
            channels,
            *map(_address, (gain, shift, mean)),
            ctypes.byref(ctx.activation),
            _address(found),
            torch.get_num_threads(),
        )
        of_bias, of_products = found.float()
        of_variance = 1 / (variance + ctx.eps)
        slope = -gain * of_products * of_variance / rows
        offset = -gain * of_bias / rows - slope * mean
        dx = _backward(x, gradient, gain, shift, slope, offset, ctx.activation)
        return dx, of_products * of_variance.sqrt(), of_bias, None, None, None, None


_ONE, _ZERO = torch.ones(1), torch.zeros(1)


def _affine(
    weight: torch.Tensor, bias: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gain and shift (C,) float32 of a BN with these statistics."""
    gain = weight.detach() / torch.sqrt(variance + eps)
    return gain, bias.detach() - mean * gain


def _statistics(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and biased variance (C,) float32 of x (B, C, H, W), channels last."""
    channels = x.shape[1]
    mean, variance = torch.empty(channels), torch.empty(channels)
    rows = ctypes.c_int64(x.numel() // channels)
    _kernels().edgeseg_statistics(
        _address(x), rows, channels, _address(mean), _address(variance), torch.get_num_threads()
    )
    return mean, variance


def _forward(x: torch.Tensor, gain: torch.Tensor, shift: torch.Tensor, activation: Activation) -> torch.Tensor:
    """``activation(gain * x + shift)``; gain and shift are of x's channels, which lie last, or (1,)."""
    y = torch.empty_like(x)
    channels = len(gain)
    rows = ctypes.c_int64(x.numel() // channels)
    tables = map(_address, (gain, shift))
    _kernels().edgeseg_forward(
        _address(x), _address(y), rows, channels, *tables, ctypes.byref(activation), torch.get_num_threads()
    )
    return y


def _backward(
    x: torch.Tensor,
    gradient: torch.Tensor,
    gain: torch.Tensor,
    shift: torch.Tensor,
    slope: torch.Tensor,
    offset: torch.Tensor,
    activation: Activation,
) -> torch.Tensor:
    """``gain`` times the gradient that passes ``_forward``'s activation, plus ``slope * x + offset``."""
    gradient = _like(gradient, x)
    dx = torch.empty_like(x)
    channels = len(gain)
    _kernels().edgeseg_backward(
        *map(_address, (x, gradient, dx)),
        ctypes.c_int64(x.numel() // channels),
        channels,
        *map(_address, (gain, shift, slope, offset)),
        ctypes.byref(activation),
        torch.get_num_threads(),
    )
    return dx


def _dense(x: torch.Tensor) -> torch.Tensor:
    """``x``, copied where its numbers do not lie one behind the other."""
    return x if torch.ops.aten.is_non_overlapping_and_dense(x) else x.contiguous()


def _like(gradient: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """``gradient`` in the precision and order of ``x``."""
    if gradient.dtype == x.dtype and gradient.stride() == x.stride():
        return gradient
    return torch.empty_like(x).copy_(gradient)


def _address(tensor: torch.Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())
