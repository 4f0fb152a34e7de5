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
from dataclasses import dataclass

import brevitas.nn as qnn
import torch
from brevitas.quant import Int32Bias
from brevitas.quant_tensor import QuantTensor
from torch import fx, nn

from models.layers import Concat, Sum, Upsample2x
from quant.config import QuantConfig
from quant.errors import ConfigError
from quant.quantizers import (
    InputCodes,
    SignedActivation,
    UnsignedActivation,
    WeightConstantScale,
    WeightStoredScale,
    log2_threshold,
    tie_threshold,
)

# Below half of every grid step here (the finest is an 8-bit scale over 16), exact in float32 beside values under 2**7.
TIE_BREAK = 2.0**-16

_JOINING = (Sum, Concat)
_CONSUMERS = (nn.Conv2d, Sum, Concat, Upsample2x)
_TRANSPARENT = (nn.MaxPool2d, nn.Identity, nn.Dropout2d)


def plain(x: torch.Tensor | QuantTensor) -> torch.Tensor:
    """The plain tensor; quantizers before a convolution with a bias return theirs together with its scale."""
    return x.value if isinstance(x, QuantTensor) else x


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
    """Input quantizer and quantized network. Scales are stored, not learned; ``groups``: modules that share one."""

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

    def _tie_and_freeze_scales(self) -> None:
        for members in self.groups:
            shared = log2_threshold(quantizer_of(self, members[0]))
            for name in members[1:]:
                tie_threshold(quantizer_of(self, name), shared)
        for name, parameter in self.named_parameters():
            if name.endswith("scaling_impl.value"):
                parameter.requires_grad_(False)


@dataclass(frozen=True)
class ConvSite:
    """A convolution by module name, with what surrounds it: the quantized module it reads (None: the network's input),
    the BN directly behind it, and the module that quantizes that BN's output (the ReLU behind it, or the BN itself)."""

    conv: str
    source: str | None
    norm: str | None
    activation: str | None


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, (*_JOINING, Upsample2x)) or super().is_leaf_module(module, qualified_name)


class _Structure:
    """The data flow of a network whose operators are all modules."""

    def __init__(self, network: nn.Module) -> None:
        self.modules = dict(network.named_modules())
        self.nodes = list(_Tracer().trace(network).nodes)
        for node in self.nodes:
            if node.op not in ("placeholder", "call_module", "output"):
                raise ConfigError(
                    f"operation '{node.name}' ({node.target}) is not a module, so it cannot be given a quantizer;"
                    " write sums and concatenations as models.layers.Sum and Concat"
                )

    def module(self, node: fx.Node) -> nn.Module | None:
        return self.modules[node.target] if node.op == "call_module" else None

    def sources(self, node: fx.Node) -> list[fx.Node]:
        """The nodes whose output needs a quantizer so that ``node``'s inputs are codes."""
        found = []
        for parent in node.all_input_nodes:
            module = self.module(parent)
            if isinstance(module, (*_TRANSPARENT, Concat)):
                found.extend(self.sources(parent))
            elif module is not None:
                found.append(parent)
        return found

    def convolutions(self) -> list[ConvSite]:
        sites = []
        for node in self.nodes:
            if not isinstance(self.module(node), nn.Conv2d):
                continue
            sources = self.sources(node)
            norm = self._only_user(node, nn.BatchNorm2d)
            relu = self._only_user(norm, nn.ReLU) if norm is not None else None
            sites.append(
                ConvSite(
                    conv=str(node.target),
                    source=str(sources[0].target) if sources else None,
                    norm=str(norm.target) if norm is not None else None,
                    activation=str((relu or norm).target) if norm is not None else None,
                )
            )
        return sites

    def _only_user(self, node: fx.Node, kind: type[nn.Module]) -> fx.Node | None:
        users = [user for user in node.users if isinstance(self.module(user), kind)]
        return users[0] if len(users) == len(node.users) == 1 else None


def convolution_sites(network: nn.Module) -> list[ConvSite]:
    """Convolutions of a float network in order of execution."""
    return _Structure(network).convolutions()


def build_twin(network: nn.Module, in_channels: int, config: QuantConfig) -> Twin:
    """Quantized twin of ``network``, which is left untouched; weights and BN statistics are taken over.

    Raises:
        ConfigError: an operator is not a module, a module is used twice, or an override names no layer.
    """
    structure = _Structure(network)
    for layer in config.layers:
        if layer not in structure.modules:
            raise ConfigError(f"layers.{layer} names no layer of the network; see `python -m models describe`")
    twin = copy.deepcopy(network)
    sites = structure.convolutions()
    groups = _scale_groups(structure)
    _place_quantizers(twin, structure, groups, sites, config)
    for index, site in enumerate(sites):
        _replace_convolution(twin, site, _weight_bits(structure.modules[site.conv], index, len(sites), site, config))
    return Twin(twin, in_channels, groups)


def _scale_groups(structure: _Structure) -> list[list[str]]:
    """Names of the modules that need a quantizer, grouped by shared scale."""
    group_of: dict[str, list[str]] = {}
    seen: set[str] = set()
    for node in structure.nodes:
        if structure.module(node) is None or not isinstance(structure.module(node), _CONSUMERS):
            continue
        for source in structure.sources(node):
            name = str(source.target)
            group_of.setdefault(name, [name])
        if isinstance(structure.module(node), _JOINING):
            names = [str(source.target) for source in structure.sources(node)]
            merged = list(dict.fromkeys(member for name in names for member in group_of[name]))
            for member in merged:
                group_of[member] = merged
    for node in structure.nodes:
        name = str(node.target)
        if node.op == "call_module" and name in group_of:
            if name in seen:
                raise ConfigError(f"module '{name}' is used twice; give each use a module of its own")
            seen.add(name)
    return list({id(group): group for group in group_of.values()}.values())


def _place_quantizers(
    twin: nn.Module, structure: _Structure, groups: list[list[str]], sites: list[ConvSite], config: QuantConfig
) -> None:
    """Replaces each module of ``groups`` by its quantized form."""
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
        unsigned = all(_is_unsigned(structure, member) for member in members)
        for name in members:
            module = structure.modules[name]
            bits = _activation_bits(module, name, config)
            kwargs = {"bit_width": bits, "return_quant_tensor": name in feeds_bias}
            if unsigned:
                quantizer = qnn.QuantReLU(act_quant=UnsignedActivation, **kwargs)
            else:
                quantizer = qnn.QuantIdentity(act_quant=SignedActivation, **kwargs)
            _set_module(twin, name, _quantized_form(module, quantizer, unsigned))


def _is_unsigned(structure: _Structure, name: str) -> bool:
    """Whether the output of module ``name`` is never negative: a ReLU, or a sum or upsampling of such."""
    module = structure.modules[name]
    if isinstance(module, (Sum, Upsample2x)):
        node = next(node for node in structure.nodes if node.target == name)
        return all(_is_unsigned(structure, str(source.target)) for source in structure.sources(node))
    return isinstance(module, nn.ReLU)


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
    quantized = qnn.QuantConv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        stride=conv.stride,
        padding=conv.padding,
        groups=conv.groups,
        bias=has_bias,
        weight_quant=WeightConstantScale if site.norm is not None else WeightStoredScale,
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
