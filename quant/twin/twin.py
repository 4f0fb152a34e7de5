"""The quantized twin of a float network: the same module tree, layers replaced by Brevitas layers in place.

A quantizer stands after each tensor that enters a convolution, a sum, a concatenation or an upsampling. All tensors
that enter one sum or one concatenation share a scale, so that the sum is a sum of integers; each sum and each bilinear
output then has a quantizer of its own.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import brevitas.nn as qnn
import torch
from torch import nn

from quant.base.errors import ConfigError
from quant.layers.fused import FusedQuantIdentity, FusedQuantReLU, plain
from quant.layers.quantizers import (
    InputCodes,
    SignedActivation,
    UnsignedActivation,
    log2_threshold,
    tie_threshold,
)
from quant.operators import operator_of
from quant.operators.filters import is_filters
from quant.twin.module_graph import ModuleGraph, run_graph
from quant.twin.quantized_layers import QuantizedActivation, QuantizedMultiples, QuantizedNorm, SettledMultiples
from quant.twin.structure import ConvSite, Structure
from quant.twin.twin_proof import prove_twin

if TYPE_CHECKING:
    from quant.twin.config import QuantConfig

LOGIT_BITS = 8  # of tensors that hold logits but are not the last convolution's


class Twin(nn.Module):
    """Input quantizer and quantized network. Scales are stored, and learned only on request; ``groups``: modules that
    share one; ``size``: (H, W) of the image that it was made for, None: any;
    (X, Y, Z) of volumes.
    """

    def __init__(
        self,
        network: ModuleGraph,
        in_channels: int,
        groups: list[list[str]],
        *,
        size: tuple[int, ...] | None = None,
        hands_on_scale: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.size = in_channels, size
        self.groups = groups
        self.input_quantizer = qnn.QuantIdentity(act_quant=InputCodes, bit_width=8, return_quant_tensor=hands_on_scale)
        self.network, self._graph = network.root, network.graph
        self._tie_and_freeze_scales()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) codes / 256 -> (B, classes, H, W) logits."""
        return plain(run_graph(self._graph, self.network, self.input_quantizer(x)))

    def convolutions(self) -> list[str]:
        """Names of the convolutions in order of execution."""
        names = [str(node.target) for node in self._graph.nodes if node.op == "call_module"]
        return [name for name in names if is_filters(self.network.get_submodule(name))]

    def quantizers(self) -> list[str]:
        """Names of the modules whose outputs are quantized, in order of execution."""
        names = [str(node.target) for node in self._graph.nodes if node.op == "call_module"]
        modules = [self.network.get_submodule(name) for name in names]
        ends = [getattr(module, "quantizer", module) for module in modules]
        return [name for name, end in zip(names, ends, strict=True) if hasattr(end, "act_quant")]

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


def build_twin(network: nn.Module, in_channels: int, config: QuantConfig, size: tuple[int, ...] | None = None) -> Twin:
    """Quantized twin of ``network`` for images of ``size`` (H, W; None: any), which is left untouched; weights and BN
    statistics are taken over.

    Raises:
        ConfigError: something in the network has no integer form, an override names no layer, or the twin would not be
            the network: without its quantizers it gives other logits.
    """
    structure = Structure(network, in_channels, size)
    graph = copy.deepcopy(structure.graph)
    sites = structure.convolutions()
    groups = structure.scale_groups()
    _require_sites_of_overrides(config, structure, sites, groups)
    hands_on_scale = _hands_on_scale(structure, sites)
    _place_quantizers(graph.root, structure, groups, hands_on_scale, config)
    written = [site for site in sites if not structure.is_inserted(site.conv)]
    for site in sites:
        ends = (site == written[0], site == written[-1]) if written else (False, False)
        _replace_convolution(graph.root, site, _weight_bits(structure.modules[site.conv], ends, site, config))
    twin = Twin(graph, in_channels, groups, size=size, hands_on_scale=None in hands_on_scale)
    prove_twin(graph, network, structure, size)
    return twin.train(network.training)


def _require_sites_of_overrides(
    config: QuantConfig, structure: Structure, sites: list[ConvSite], groups: list[list[str]]
) -> None:
    """ConfigError where an override would be without effect: of no layer, or of one without such a quantizer."""
    quantized = {
        "weight": {site.conv for site in sites},
        "activation": {name for members in groups for name in members},
    }
    for layer, overrides in config.layers.items():
        if layer not in structure.modules:
            raise ConfigError(f"layers.{layer} names no layer of the network; see `python -m models describe`")
        for kind in overrides:
            if layer not in quantized[kind]:
                known = ", ".join(sorted(name for name in quantized[kind] if not structure.is_inserted(name)))
                raise ConfigError(
                    f"layers.{layer}.{kind} has no effect: no {kind} is quantized at this"
                    f" {type(structure.modules[layer]).__name__}; it is at {known}"
                )


def _hands_on_scale(structure: Structure, sites: list[ConvSite]) -> set[str | None]:
    """Names of quantized modules (None: the image) whose scale a convolution with a bias needs for it."""
    found: set[str | None] = set()
    for site in sites:
        if site.norm is None and structure.modules[site.conv].bias is not None:
            node = next(node for node in structure.nodes if node.target == site.conv)
            found |= {str(source.target) for source in structure.sources(node)} or {None}
    return found


def _place_quantizers(
    twin: nn.Module,
    structure: Structure,
    groups: list[list[str]],
    hands_on_scale: set[str | None],
    config: QuantConfig,
) -> None:
    """Replaces each module of ``groups`` by its quantized form; a group has the bits of its widest member."""
    logits, read_by_tables = structure.logits(), {site.source for site in structure.tables()}
    for members in groups:
        unsigned = all(structure.is_unsigned(member) for member in members)
        bits = max(_activation_bits(structure.modules[name], name, config, logits, read_by_tables) for name in members)
        for name in members:
            module = structure.modules[name]
            kwargs = {"bit_width": bits, "return_quant_tensor": name in hands_on_scale}
            if unsigned:
                quantizer = FusedQuantReLU(act_quant=UnsignedActivation, **kwargs)
            else:
                quantizer = FusedQuantIdentity(act_quant=SignedActivation, **kwargs)
            _set_module(twin, name, _quantized_form(module, quantizer, unsigned))
    quantized = {name for members in groups for name in members}
    for name, module in structure.modules.items():
        if _accumulates(module) and name not in quantized:
            _set_module(twin, name, _quantized_form(module, nn.Identity(), False))


def _quantized_form(module: nn.Module, quantizer: nn.Module, unsigned: bool) -> nn.Module:
    if _accumulates(module):
        form = SettledMultiples if operator_of(module).settled else QuantizedMultiples
        return form(copy.deepcopy(module), quantizer)
    if isinstance(module, nn.BatchNorm2d):
        return QuantizedNorm(module, quantizer)
    if unsigned and isinstance(module, nn.ReLU):
        return quantizer
    return QuantizedActivation(copy.deepcopy(module), quantizer)


def _activation_bits(
    module: nn.Module, name: str, config: QuantConfig, logits: set[str], read_by_tables: set[str]
) -> int:
    if "activation" in config.layers.get(name, {}):
        return config.layers[name]["activation"]
    if name in logits:
        return LOGIT_BITS
    if name in read_by_tables:
        return config.bits.table
    operator = operator_of(module)
    return config.bits.activation if operator is None else getattr(config.bits, operator.bits)


def _accumulates(module: nn.Module) -> bool:
    operator = operator_of(module)
    return operator is not None and operator.accumulates


def _weight_bits(conv: nn.Module, ends: tuple[bool, bool], site: ConvSite, config: QuantConfig) -> int:
    """Bits of a convolution's weights; ``ends``: whether it is the network's first, or last."""
    if "weight" in config.layers.get(site.conv, {}):
        return config.layers[site.conv]["weight"]
    if ends[0]:
        return config.bits.first_weight
    if ends[1]:
        return config.bits.last_weight
    if conv.groups == conv.in_channels and conv.groups > 1:
        return config.bits.depthwise_weight
    return config.bits.pointwise_weight if set(conv.kernel_size) == {1} else config.bits.dense_weight


def _replace_convolution(twin: nn.Module, site: ConvSite, weight_bits: int) -> None:
    conv = twin.get_submodule(site.conv)
    if conv.bias is not None and site.norm is not None:
        with torch.no_grad():
            twin.get_submodule(site.norm).running_mean.sub_(conv.bias)  # a bias before a BN only shifts its mean
    quantized = operator_of(conv).quantized(conv, weight_bits, has_norm=site.norm is not None)
    _set_module(twin, site.conv, quantized)


def _set_module(root: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(root.get_submodule(parent), leaf, module)


def quantizer_of(twin: Twin, name: str | None) -> nn.Module:
    """The activation quantizer layer of the quantized module ``name`` (None: of the network's input)."""
    module = twin.input_quantizer if name is None else twin.network.get_submodule(name)
    return module if hasattr(module, "act_quant") else module.quantizer
