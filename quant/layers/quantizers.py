"""The three quantizers of the project, as Brevitas injectors: all scales are powers of two, zero point 0.

- weights: signed, narrow range, one scale a tensor. Before a BN the scale is the constant 2**-(bits-1), because the BN
  carries each channel's factor; a layer without BN has a stored scale, chosen once from its weights.
- activations after ReLU: unsigned. The scale is stored, chosen by calibration, and may be tied to other quantizers.
- other activations: signed, otherwise the same.
"""

from __future__ import annotations

import torch
from brevitas.core.scaling import PowerOfTwoIntScaling
from brevitas.inject.enum import RestrictValueType, ScalingImplType
from brevitas.quant.fixed_point import (
    Int8ActPerTensorFixedPoint,
    Int8WeightPerTensorFixedPoint,
    Uint8ActPerTensorFixedPoint,
)
from torch import nn


class WeightConstantScale(Int8WeightPerTensorFixedPoint):
    """Signed weights with a power-of-two scale that is set, not learned."""

    scaling_impl_type = ScalingImplType.CONST
    restrict_scaling_type = RestrictValueType.POWER_OF_TWO
    int_scaling_impl = PowerOfTwoIntScaling
    scaling_init = 1.0
    scaling_per_output_channel = False


class WeightStoredScale(WeightConstantScale):
    """The same with the scale as a parameter, so that checkpoints hold it."""

    scaling_impl_type = ScalingImplType.PARAMETER
    scaling_shape = ()


class UnsignedActivation(Uint8ActPerTensorFixedPoint):
    """Unsigned activations with a power-of-two scale that is stored."""

    scaling_impl_type = ScalingImplType.PARAMETER
    restrict_scaling_type = RestrictValueType.POWER_OF_TWO
    scaling_init = 4.0
    scaling_shape = ()


class SignedActivation(Int8ActPerTensorFixedPoint):
    """Signed activations with a power-of-two scale that is stored."""

    scaling_impl_type = ScalingImplType.PARAMETER
    restrict_scaling_type = RestrictValueType.POWER_OF_TWO
    scaling_init = 4.0
    scaling_shape = ()


class InputCodes(Uint8ActPerTensorFixedPoint):
    """8-bit pixel codes: scale 1/256."""

    scaling_impl_type = ScalingImplType.CONST
    restrict_scaling_type = RestrictValueType.POWER_OF_TWO
    scaling_init = 1.0


def log2_threshold(quantizer: nn.Module) -> nn.Parameter:
    """The stored log2 of the clipping threshold (scale * 2**bits) of an activation quantizer layer."""
    return quantizer.act_quant.fused_activation_quant_proxy.tensor_quant.scaling_impl.value


def tie_threshold(quantizer: nn.Module, shared: nn.Parameter) -> None:
    """Makes ``quantizer`` use ``shared`` as its threshold: one scale for all that enter a sum or a concatenation."""
    quantizer.act_quant.fused_activation_quant_proxy.tensor_quant.scaling_impl.value = shared


def best_threshold_exponent(values: torch.Tensor, bits: int, signed: bool) -> int:
    """The power of two, as exponent, that clips and rounds ``values`` with the least squared error."""
    peak = values.abs().max().item()
    if peak == 0:
        return 0
    levels = 2**bits if not signed else 2 ** (bits - 1)
    low, high = (-(levels), levels - 1) if signed else (0, levels - 1)
    top = int(torch.tensor(peak).log2().ceil().item())
    errors = {}
    for exponent in range(top - 5, top + 2):
        scale = 2.0**exponent / levels
        rounded = torch.clamp(torch.floor(values / scale + 0.5), low, high) * scale
        errors[exponent] = torch.mean((rounded - values) ** 2).item()
    return min(errors, key=errors.get)
