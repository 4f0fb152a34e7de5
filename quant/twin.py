"""The quantized twin of a float network: the same module tree, layers replaced by Brevitas layers in place.

A quantizer stands behind each tensor that enters a convolution, a sum, a concatenation or an upsampling. All tensors
that enter one sum or one concatenation share a scale, so that the sum is a sum of integers; each sum and each bilinear
output then has a quantizer of its own.

Rounding: Brevitas and QONNX round half to even, integer thresholds round half up. Convolutions never meet a tie (see
``settle.py``); sums and bilinear outputs would, so a constant far below their grid is added first. Both rules then
agree, and the project's rule is: round half up.
"""

from __future__ import annotations

import copy

import brevitas.nn as qnn
import torch
from brevitas.quant import Int32Bias
from torch import nn

from models.layers import Sum, Upsample2x
from quant.config import QuantConfig
from quant.errors import ConfigError
from quant.fused import FusedQuantConv2d, FusedQuantIdentity, FusedQuantReLU, plain
from quant.quantizers import (
    InputCodes,
    SignedActivation,
    UnsignedActivation,
    WeightConstantScale,
    WeightStoredScale,
    log2_threshold,
    tie_threshold,
)
from quant.structure import ConvSite, Structure

# Below half of every grid step here (the finest is an 8-bit scale over 16), exact in float32 beside values under 2**7.
TIE_BREAK = 2.0**-16


class QuantizedNorm(nn.BatchNorm2d):
    """BN whose output is quantized: for networks with the activation before the BN."""

    def __init__(self, features: int, quantizer: nn.Module) -> None:
        super().__init__(features)
        self.quantizer = quantizer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.quantizer(super().forward(plain(x)))


class QuantizedActivation(nn.Module):
    """Any other activation, then a signed quantizer."""

    def __init__(self, activation: nn.Module, quantizer: nn.Module) -> None:
        super().__init__()
        self.activation, self.quantizer = activation, quantizer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.quantizer(self.activation(plain(x)))


class QuantizedSum(nn.Module):
    """Sum of two tensors of one scale, then a quantizer of its own."""

    def __init__(self, quantizer: nn.Module) -> None:
        super().__init__()
        self.quantizer = quantizer

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self.quantizer(plain(a) + plain(b) + TIE_BREAK)


class QuantizedUpsample2x(nn.Module):
    """Bilinear upsampling (exact multiples of scale / 16), then a quantizer of its own."""

    def __init__(self, quantizer: nn.Module) -> None:
        super().__init__()
        self.upsample = Upsample2x()
        self.quantizer = quantizer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.quantizer(self.upsample(plain(x)) + TIE_BREAK)


class Twin(nn.Module):
    """Input quantizer and quantized network. Scales are stored, and learned only on request; ``groups``: modules that
    share one."""

    def __init__(self, network: nn.Module, in_channels: int, groups: list[list[str]]) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.groups = groups
        self.input_quantizer = qnn.QuantIdentity(act_quant=InputCodes, bit_width=8)
        self.network = network
        self._tie_and_freeze_scales()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) codes / 256 -> (B, classes, H, W) logits."""
        return plain(self.network(self.input_quantizer(x)))

    def load_state_dict(self, state_dict: dict, strict: bool = True, assign: bool = False):
        """As of ``nn.Module``; Brevitas makes its scales anew when it loads, so they are tied and frozen again."""
        result = super().load_state_dict(state_dict, strict=strict, assign=assign)
        self._tie_and_freeze_scales()
        return result

    def learn_ranges(self) -> list[nn.Parameter]:
        """Lets training move the exponents of the activation scales, and returns them."""
        exponents = [log2_threshold(quantizer_of(self, members[0])) for members in self.groups]
        for exponent in exponents:
            exponent.requires_grad_(True)
        return exponents

    def _tie_and_freeze_scales(self) -> None:
        for members in self.groups:
            shared = log2_threshold(quantizer_of(self, members[0]))
            for name in members[1:]:
                tie_threshold(quantizer_of(self, name), shared)
        for name, parameter in self.named_parameters():
            if name.endswith("scaling_impl.value"):
                parameter.requires_grad_(False)


def build_twin(network: nn.Module, in_channels: int, config: QuantConfig) -> Twin:
    """Quantized twin of ``network``, which is left untouched; weights and BN statistics are taken over.

    Raises:
        ConfigError: an operator is not a module, a module is used twice, or an override names no layer.
    """
    structure = Structure(network)
    for layer in config.layers:
        if layer not in structure.modules:
            raise ConfigError(f"layers.{layer} names no layer of the network; see `python -m models describe`")
    twin = copy.deepcopy(network)
    sites = structure.convolutions()
    groups = structure.scale_groups()
    _place_quantizers(twin, structure, groups, sites, config)
    for index, site in enumerate(sites):
        _replace_convolution(twin, site, _weight_bits(structure.modules[site.conv], index, len(sites), site, config))
    return Twin(twin, in_channels, groups)


def _place_quantizers(
    twin: nn.Module, structure: Structure, groups: list[list[str]], sites: list[ConvSite], config: QuantConfig
) -> None:
    """Replaces each module of ``groups`` by its quantized form; a group has the bits of its widest member."""
    bare = {site.conv for site in sites if site.norm is None}
    feeds_bias = {
        str(source.target)
        for node in structure.nodes
        if isinstance(structure.module(node), nn.Conv2d)
        and structure.module(node).bias is not None
        and str(node.target) in bare
        for source in structure.sources(node)
    }
    for members in groups:
        unsigned = all(structure.is_unsigned(member) for member in members)
        bits = max(_activation_bits(structure.modules[name], name, config) for name in members)
        for name in members:
            module = structure.modules[name]
            kwargs = {"bit_width": bits, "return_quant_tensor": name in feeds_bias}
            if unsigned:
                quantizer = FusedQuantReLU(act_quant=UnsignedActivation, **kwargs)
            else:
                quantizer = FusedQuantIdentity(act_quant=SignedActivation, **kwargs)
            _set_module(twin, name, _quantized_form(module, quantizer, unsigned))


def _quantized_form(module: nn.Module, quantizer: nn.Module, unsigned: bool) -> nn.Module:
    if isinstance(module, Sum):
        return QuantizedSum(quantizer)
    if isinstance(module, Upsample2x):
        return QuantizedUpsample2x(quantizer)
    if isinstance(module, nn.BatchNorm2d):
        norm = QuantizedNorm(module.num_features, quantizer)
        norm.load_state_dict(module.state_dict(), strict=False)
        return norm
    if unsigned and isinstance(module, nn.ReLU):
        return quantizer
    return QuantizedActivation(copy.deepcopy(module), quantizer)


def _activation_bits(module: nn.Module, name: str, config: QuantConfig) -> int:
    if "activation" in config.layers.get(name, {}):
        return config.layers[name]["activation"]
    if isinstance(module, Sum):
        return config.bits.sum
    if isinstance(module, Upsample2x):
        return config.bits.upsample
    return config.bits.activation


def _weight_bits(conv: nn.Conv2d, index: int, count: int, site: ConvSite, config: QuantConfig) -> int:
    if "weight" in config.layers.get(site.conv, {}):
        return config.layers[site.conv]["weight"]
    if index == 0:
        return config.bits.first_weight
    if index == count - 1:
        return config.bits.last_weight
    if conv.groups == conv.in_channels and conv.groups > 1:
        return config.bits.depthwise_weight
    return config.bits.pointwise_weight if conv.kernel_size == (1, 1) else config.bits.dense_weight


def _replace_convolution(twin: nn.Module, site: ConvSite, weight_bits: int) -> None:
    conv: nn.Conv2d = twin.get_submodule(site.conv)
    has_bias = conv.bias is not None and site.norm is None
    shape = {"stride": conv.stride, "padding": conv.padding, "groups": conv.groups}
    make, weight_quant = qnn.QuantConv2d, WeightStoredScale
    if site.norm is not None:
        make, weight_quant = FusedQuantConv2d, WeightConstantScale
    quantized = make(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        **shape,
        bias=has_bias,
        weight_quant=weight_quant,
        weight_bit_width=weight_bits,
        bias_quant=Int32Bias if has_bias else None,
    )
    with torch.no_grad():
        quantized.weight.copy_(conv.weight)
        if has_bias:
            quantized.bias.copy_(conv.bias)
        if conv.bias is not None and site.norm is not None:
            twin.get_submodule(site.norm).running_mean.sub_(conv.bias)  # a bias before a BN only shifts its mean
    _set_module(twin, site.conv, quantized)


def _set_module(root: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(root.get_submodule(parent), leaf, module)


def quantizer_of(twin: Twin, name: str | None) -> nn.Module:
    """The activation quantizer layer of the quantized module ``name`` (None: of the network's input)."""
    module = twin.input_quantizer if name is None else twin.network.get_submodule(name)
    return module if hasattr(module, "act_quant") else module.quantizer
