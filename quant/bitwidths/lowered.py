"""Layers of fewer bits that come nearest to what a twin's own layers compute.

Weights: each output channel gets the step of least squared error against the twin's quantized weights, and the BN
after it undoes that. Steps of a power of two are candidates, too, so that weights which fewer bits can hold stay as
they are.
Activations: the power-of-two scale of least squared error against the twin's quantized values on the given images.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from quant.bitwidths.sites import ACTIVATION, WEIGHT, Site, Widths
from quant.layers.fused import plain
from quant.layers.quantizers import log2_threshold
from quant.operators.filters import by_output
from quant.twin.config import Bits, QuantConfig
from quant.twin.prepare import CLIP_SHARES, undo_in_norm
from quant.twin.quantized_layers import QuantizedNorm
from quant.twin.twin import Twin, build_twin, quantizer_of

if TYPE_CHECKING:
    from quant.bitwidths.flow import Flow, Modules
    from quant.twin.structure import ConvSite, Structure

_SAMPLED_VALUES = 20_000
_FINER_STEPS = 4
_EXPONENTS = (0, -1, -2, -3, -4, 1)  # of a threshold against the twin's own; the first of equals is taken


class LoweredLayers:
    """For each width a twin that has it in every layer; single layers are taken from there.

    ``twin`` is a twin of the float ``network`` (whose weights do not matter), ``flow`` runs it on the images.
    """

    def __init__(self, network: nn.Module, twin: Twin, structure: Structure, flow: Flow, sites: list[Site]) -> None:
        self._network, self._twin = network, twin
        self._convolutions = {site.conv: site for site in structure.convolutions()}
        self._groups = [site for site in sites if site.kind == ACTIVATION]
        self._sites = {site.key: site for site in sites}
        self._samples = _sample_activations(twin, flow, self._groups)
        self._donors: dict[int, Twin] = {}

    def modules(self, widths: Widths) -> Modules:
        """What stands in place of the twin's own modules under ``widths``."""
        lowered = {key: bits for key, bits in widths.items() if bits != self._sites[key].bits}
        chosen: Modules = {}
        for key, bits in lowered.items():
            if self._sites[key].kind == WEIGHT:
                chosen |= self._weights(self._convolutions[self._sites[key].name], bits)
        for key, bits in lowered.items():
            if self._sites[key].kind == ACTIVATION:
                for member in self._sites[key].members:
                    module = self._donor(bits).network.get_submodule(member)
                    if isinstance(module, QuantizedNorm):
                        affine = chosen.get(member, self._twin.network.get_submodule(member))
                        module = _norm_with_quantizer(affine, module.quantizer)
                    chosen[member] = module
        return chosen

    def _weights(self, site: ConvSite, bits: int) -> Modules:
        donor = self._donor(bits).network
        modules = {site.conv: donor.get_submodule(site.conv)}
        if site.norm is not None:
            norm, own = donor.get_submodule(site.norm), self._twin.network.get_submodule(site.norm)
            modules[site.norm] = _norm_with_quantizer(norm, own.quantizer) if isinstance(own, QuantizedNorm) else norm
        return modules

    @torch.no_grad()
    def _donor(self, bits: int) -> Twin:
        if bits not in self._donors:
            everywhere = replace(Bits(), **{kind: bits for kind in vars(Bits()) if kind != "input"})
            config = QuantConfig(name=f"w{bits}a{bits}", bits=everywhere)
            donor = build_twin(self._network, self._twin.in_channels, config, self._twin.size)
            donor.load_state_dict(self._twin.state_dict())
            donor.to(next(self._twin.parameters()).device, memory_format=torch.channels_last)
            for site in self._convolutions.values():
                _fit_weights(donor, self._twin, site, bits)
            for group in self._groups:
                self._fit_scale(donor, group, bits)
            self._donors[bits] = donor.eval()
        return self._donors[bits]

    def _fit_scale(self, donor: Twin, group: Site, bits: int) -> None:
        own = quantizer_of(self._twin, group.name)
        signed, x = own.act_quant.is_signed, self._samples[group.key]
        exponent = _exponent(own.act_quant.scale(), group.bits, signed)
        wanted = _quantized(x, exponent, group.bits, signed)
        errors = {
            exponent + change: ((_quantized(x, exponent + change, bits, signed) - wanted) ** 2).mean().item()
            for change in _EXPONENTS
        }
        log2_threshold(quantizer_of(donor, group.name)).fill_(min(errors, key=errors.get))


def _norm_with_quantizer(affine: nn.BatchNorm2d, quantizer: nn.Module) -> QuantizedNorm:
    norm = QuantizedNorm(affine, quantizer)
    return norm.to(affine.weight.device).eval()


def _sample_activations(twin: Twin, flow: Flow, groups: list[Site]) -> dict[str, torch.Tensor]:
    """Values that arrive at the quantizers of each group, by its key."""
    samples: dict[str, list[torch.Tensor]] = {group.key: [] for group in groups}
    handles = []
    for group in groups:
        for member in group.members:

            def observe(_: nn.Module, inputs: tuple[torch.Tensor, ...], key: str = group.key) -> None:
                values = plain(inputs[0]).flatten()
                samples[key].append(values[:: max(1, values.numel() // _SAMPLED_VALUES)].clone())

            handles.append(quantizer_of(twin, member).register_forward_pre_hook(observe))
    flow.advance(flow.begin())
    for handle in handles:
        handle.remove()
    return {key: torch.cat(values) for key, values in samples.items()}


def _exponent(scale: torch.Tensor, bits: int, signed: bool) -> float:
    """log2 of the threshold that gives ``scale``; a learned threshold itself need not be a power of two."""
    return torch.log2(scale).item() + bits - signed


def _quantized(x: torch.Tensor, exponent: float, bits: int, signed: bool) -> torch.Tensor:
    levels = 2 ** (bits - 1) if signed else 2**bits
    scale = 2.0**exponent / levels
    return torch.clamp(torch.round(x / scale), -levels if signed else 0, levels - 1) * scale


def _fit_weights(donor: Twin, twin: Twin, site: ConvSite, bits: int) -> None:
    conv, own = donor.network.get_submodule(site.conv), twin.network.get_submodule(site.conv)
    weight, wanted = by_output(conv, conv.weight), by_output(own, own.quant_weight().value)  # (O, I / groups, KH, KW)
    if site.norm is None:
        quantized = own.quant_weight()
        exponent = _exponent(quantized.scale, int(quantized.bit_width.item()), signed=True)
        errors = {
            exponent + change: ((_narrow(wanted, 2.0 ** (exponent + change - bits + 1), bits) - wanted) ** 2).sum()
            for change in _EXPONENTS
        }
        conv.weight_quant.tensor_quant.scaling_impl.value.fill_(min(errors, key=errors.get))
        weight.copy_(wanted)
        return
    steps = _channel_steps(wanted, bits)  # (O,)
    factors = 2.0 ** (1 - bits) / steps
    weight.copy_(wanted * factors[:, None, None, None])
    undo_in_norm(donor.network.get_submodule(site.norm), factors)


def _channel_steps(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """(O,) the step of least squared error of each output channel; the first of equals, the twin's own range first."""
    flat = weight.flatten(1)  # (O, I, K, K) -> (O, I*K*K)
    peak = flat.abs().amax(1).clamp_min(2.0**-8)
    own_range = 2.0 ** (1 - bits)
    candidates = [torch.full_like(peak, own_range / 2**finer) for finer in range(_FINER_STEPS)]
    candidates += [peak * share / (2 ** (bits - 1) - 1) for share in CLIP_SHARES]
    errors = [((_narrow(flat, steps[:, None], bits) - flat) ** 2).sum(1) for steps in candidates]
    best = torch.stack(errors).argmin(0)
    return torch.stack(candidates).gather(0, best[None])[0]


def _narrow(weight: torch.Tensor, step: torch.Tensor | float, bits: int) -> torch.Tensor:
    limit = 2 ** (bits - 1) - 1
    return torch.clamp(torch.round(weight / step), -limit, limit) * step
