"""BN, activation and quantizer in few passes over a tensor on a CPU, as training needs them.

One by one, a BN and its ReLU read and write a tensor five times and their gradients eight times, at a fifth of the
speed of the memory: half of a training step. Together they read twice and write once, gradients four times and once.
Values of bfloat16 are rounded once, at the end. Sums are the same for any number of threads. Without a compiler, on
other devices and in other precisions ``fused`` calls the modules one by one, and in float32 for what is scored
(``learning.py``).
"""

from __future__ import annotations

import ctypes
import math
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from quant.base.compiled_library import compiled_library
from quant.layers.learning import is_for_loss

_SOURCE = Path(__file__).with_name("passes.cpp")
_IMAGES = 4  # axes
_FROZEN = "learns_frozen"  # attribute of a BN


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
    """Whether there are passes for ``x``: a tensor of bfloat16, or of float32 for a loss, on a CPU, and kernels."""
    return (
        type(x) in (torch.Tensor, nn.Parameter)  # others have no numbers in memory, or a say in what is done to them
        and not torch.jit.is_tracing()
        and x.device.type == "cpu"
        and (x.dtype == torch.bfloat16 or (x.dtype == torch.float32 and is_for_loss()))
        and _kernels() is not None
    )


def can_pass_norm(norm: nn.BatchNorm2d, x: Any) -> bool:
    """Whether there are passes for the BN ``norm`` of ``x``: of images (B, C, H, W), with factors and statistics of
    float32.
    """
    tables = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    return (
        can_pass(x)
        and all(table is not None and table.dtype == torch.float32 and table.is_contiguous() for table in tables)
        and norm.momentum is not None
        and norm.track_running_stats
        and norm.eps > 0
        and x.dim() == _IMAGES
        and x.shape[1] == norm.num_features
        and x.numel() > x.shape[1]  # more than one value a channel, or torch has its say
        and (norm.training or not torch.is_grad_enabled() or hasattr(norm, _FROZEN))
    )


def freeze(norm: nn.Module) -> None:
    """Lets the BN ``norm`` of a network that trains normalise by its statistics, and keep them."""
    norm.training = False
    setattr(norm, _FROZEN, True)


def activated(x: torch.Tensor, activation: Activation) -> torch.Tensor:
    """``activation`` of ``x``, of any shape."""
    return _Activated.apply(x, activation)


def normalized(norm: nn.BatchNorm2d, x: torch.Tensor, activation: Activation) -> torch.Tensor:
    """``activation(norm(x))`` (B, C, H, W), with the statistics of ``norm`` moved if it trains. In memory it lies as
    ``x`` does.
    """
    if x.is_contiguous() and not x.is_contiguous(memory_format=torch.channels_last):
        return normalized(norm, x.contiguous(memory_format=torch.channels_last), activation).contiguous()
    x = x.contiguous(memory_format=torch.channels_last)
    moving_mean, moving_variance, momentum = norm.running_mean, norm.running_var, norm.momentum
    assert moving_mean is not None and moving_variance is not None and momentum is not None, "see can_pass_norm"
    if not norm.training:
        return _Normalized.apply(x, norm.weight, norm.bias, moving_mean, moving_variance, norm.eps, activation, False)
    mean, variance = _statistics(x)
    with torch.no_grad():
        count = x.numel() // x.shape[1]
        moving_mean.lerp_(mean, momentum)
        moving_variance.lerp_(variance * (count / (count - 1)), momentum)
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked.add_(1)
    return _Normalized.apply(x, norm.weight, norm.bias, mean, variance, norm.eps, activation, True)


class _Affine(NamedTuple):
    """``gain * (x - mean) + shift``: (C,) float32 of the channels, which lie last, or (1,) for any order."""

    mean: torch.Tensor
    gain: torch.Tensor
    shift: torch.Tensor


_NO_AFFINE = _Affine(torch.zeros(1), torch.ones(1), torch.zeros(1))


class _Activated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, activation: Activation) -> torch.Tensor:
        x = _dense(x)
        ctx.save_for_backward(x)
        ctx.activation = activation
        return _forward(x, _NO_AFFINE, activation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        none = _NO_AFFINE.shift
        return _backward(x, _like(gradient, x), _NO_AFFINE, none, none, ctx.activation), None


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
        of_batch: bool,
    ) -> torch.Tensor:
        """``of_batch``: mean and variance are those of ``x``, so that each of its numbers moves them."""
        affine = _affine(weight, bias, mean, variance, eps)
        ctx.save_for_backward(x, variance, *affine)
        ctx.eps, ctx.activation, ctx.of_batch = eps, activation, of_batch
        return _forward(x, affine, activation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, variance, *tables = ctx.saved_tensors
        affine, gradient = _Affine(*tables), _like(gradient, x)
        found = torch.empty(2, x.shape[1], dtype=torch.float64)
        _run("backward_sums", (x, gradient), affine, ctx.activation, _address(found))
        of_bias, of_products = found.float()
        precision = 1 / (variance + ctx.eps)
        of_row = -affine.gain * (x.shape[1] / x.numel() if ctx.of_batch else 0.0)
        slope, offset = of_row * of_products * precision, of_row * of_bias
        dx = _backward(x, gradient, affine, slope, offset, ctx.activation)
        return dx, of_products * precision.sqrt(), of_bias, None, None, None, None, None


def _affine(
    weight: torch.Tensor, bias: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor, eps: float
) -> _Affine:
    """Of a BN with these statistics."""
    return _Affine(mean, weight.detach() / torch.sqrt(variance + eps), bias.detach())


def _statistics(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and biased variance (C,) float32 of x (B, C, H, W), channels last."""
    channels = x.shape[1]
    mean, variance = torch.empty(channels), torch.empty(channels)
    rows, tables = ctypes.c_int64(x.numel() // channels), map(_address, (mean, variance))
    _kernel("statistics", x)(_address(x), rows, channels, *tables, torch.get_num_threads())
    return mean, variance


def _forward(x: torch.Tensor, affine: _Affine, activation: Activation) -> torch.Tensor:
    """``activation`` of ``affine`` of dense ``x``, in its order."""
    y = torch.empty_like(x)
    _run("forward", (x, y), affine, activation)
    return y


def _backward(
    x: torch.Tensor,
    gradient: torch.Tensor,
    affine: _Affine,
    slope: torch.Tensor,
    offset: torch.Tensor,
    activation: Activation,
) -> torch.Tensor:
    """The gain times the gradient that passes ``_forward``'s activation, plus ``slope * (x - mean) + offset``."""
    dx = torch.empty_like(x)
    _run("backward", (x, gradient, dx), (*affine, slope, offset), activation)
    return dx


def _run(
    kernel: str,
    tensors: tuple[torch.Tensor, ...],
    tables: tuple[torch.Tensor, ...],
    activation: Activation,
    *results: ctypes.c_void_p,
) -> None:
    """On ``tensors`` of one shape and order, whose last axis in memory has as many channels as the tables."""
    channels = len(tables[0])
    _kernel(kernel, tensors[0])(
        *map(_address, tensors),
        ctypes.c_int64(tensors[0].numel() // channels),
        channels,
        *map(_address, tables),
        ctypes.byref(activation),
        *results,
        torch.get_num_threads(),
    )


def _kernel(name: str, x: torch.Tensor) -> Any:
    """That of the precision of ``x``."""
    return getattr(_kernels(), f"edgeseg_{name}_{str(x.dtype).removeprefix('torch.')}")


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
