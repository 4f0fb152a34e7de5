"""From float weights to the start of QAT: weights fill their range, activation scales fit calibration images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from quant.data.pairs import to_input
from quant.layers.fused import plain
from quant.layers.quantizers import best_threshold_exponent, log2_threshold
from quant.operators.filters import by_output

if TYPE_CHECKING:
    from quant.twin.structure import ConvSite
    from quant.twin.twin import Twin

_SAMPLED_VALUES = 20_000
_CALIBRATION_PASSES = 3
_LEAST_PEAK = 2.0**-20  # weights of zero need a scale, too
CLIP_SHARES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)


def fill_weight_range(twin: Twin, sites: list[ConvSite]) -> None:
    """Scales each output channel to the quantizer's range and undoes it in the BN after it; convolutions without a BN
    get the power-of-two scale that holds their largest weight.
    """
    for site in sites:
        conv = twin.network.get_submodule(site.conv)
        bits = int(conv.quant_weight().bit_width.item())
        with torch.no_grad():
            if site.norm is None:
                peak = conv.weight.abs().max().clamp_min(_LEAST_PEAK)
                exponent = torch.ceil(torch.log2(peak * 2 ** (bits - 1) / (2 ** (bits - 1) - 1)))
                conv.weight_quant.tensor_quant.scaling_impl.value.copy_(exponent)
            else:
                weight = by_output(conv, conv.weight)
                factors = _channel_factors(weight, bits)  # (O,)
                weight.mul_(factors.reshape(-1, *[1] * (weight.dim() - 1)))
                undo_in_norm(twin.network.get_submodule(site.norm), factors)


def _channel_factors(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """Per output channel, the factor that maps the clipping point of least squared error to the largest code."""
    limit = 2 ** (bits - 1) - 1
    flat = weight.flatten(1)  # (O, I, K, K) -> (O, I*K*K)
    peak = flat.abs().amax(1).clamp_min(1e-8)
    errors = []
    for share in CLIP_SHARES:
        step = (peak * share / limit)[:, None]
        rounded = torch.clamp(torch.round(flat / step), -limit, limit) * step
        errors.append(((rounded - flat) ** 2).sum(1))
    shares = torch.tensor(CLIP_SHARES)[torch.stack(errors).argmin(0)]
    return limit / 2 ** (bits - 1) / (peak * shares)


def undo_in_norm(norm: nn.BatchNorm2d, factors: torch.Tensor) -> None:
    """Takes ``factors`` (O,), by which the channels of the convolution before ``norm`` were multiplied, out again."""
    before = norm.running_var + norm.eps
    norm.running_mean.mul_(factors)
    norm.running_var.mul_(factors**2)
    norm.weight.mul_(torch.sqrt(norm.running_var + norm.eps) / (factors * torch.sqrt(before)))


def calibrate(twin: Twin, codes: torch.Tensor) -> None:
    """Sets every activation scale to the power of two of least squared error on ``codes`` (N, C, H, W) or (N, C, X, Y,
    Z) uint8.

    A scale of one quantizer is set as soon as its values arrive, so that the next layers see what it lets through. A
    shared scale is set at the end of a pass, on the values of all its quantizers; three passes let them settle.
    """
    quantizers = [module for module in twin.network.modules() if _is_activation_quantizer(module)]
    members: dict[int, list[nn.Module]] = {}
    for quantizer in quantizers:
        members.setdefault(id(log2_threshold(quantizer)), []).append(quantizer)
    samples: dict[int, list[torch.Tensor]] = {}

    def fit(key: int) -> None:
        proxy = members[key][0].act_quant
        exponent = best_threshold_exponent(torch.cat(samples[key]), int(proxy.bit_width().item()), proxy.is_signed)
        log2_threshold(members[key][0]).fill_(float(exponent))

    def observe(quantizer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        key = id(log2_threshold(quantizer))
        values = plain(inputs[0]).flatten()
        values = values if quantizer.act_quant.is_signed else torch.relu(values)
        samples.setdefault(key, []).append(values[:: max(1, values.numel() // _SAMPLED_VALUES)])
        if len(members[key]) == 1:
            fit(key)

    handles = [quantizer.register_forward_pre_hook(observe) for quantizer in quantizers]
    twin.eval()
    with torch.no_grad():
        for _ in range(_CALIBRATION_PASSES):
            samples.clear()
            twin(to_input(codes))
            for key in samples:
                fit(key)
    for handle in handles:
        handle.remove()


def _is_activation_quantizer(module: nn.Module) -> bool:
    return hasattr(module, "act_quant") and getattr(module.act_quant, "fused_activation_quant_proxy", None) is not None
