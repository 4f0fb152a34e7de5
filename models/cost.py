"""Parameters and multiply-accumulates of a network, layer by layer, by running it once on zeros.

Two counts of MACs are given because publications differ: ``conv_macs`` counts convolutions alone; ``thop_macs`` counts
as the `thop` profiler does, which adds 4 an element for an affine BN and 11 an output element for bilinear upsampling.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

_THOP_BATCHNORM_PER_ELEMENT = 4
_THOP_BILINEAR_PER_ELEMENT = 11


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """One layer: shapes as (C, H, W), parameters, and MACs by both counts."""

    name: str
    kind: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    parameters: int
    conv_macs: int
    thop_macs: int


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def layer_costs(network: nn.Module, in_channels: int, height: int, width: int) -> list[LayerCost]:
    """Costs of each leaf module in order of execution, for one image of ``in_channels x height x width``."""
    costs: list[LayerCost] = []

    def record(name: str, module: nn.Module):
        def hook(_module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            conv_macs = thop_macs = 0
            if isinstance(module, nn.Conv2d):
                conv_macs = thop_macs = output[0].numel() * module.weight[0].numel()
            elif isinstance(module, nn.BatchNorm2d):
                thop_macs = _THOP_BATCHNORM_PER_ELEMENT * output[0].numel()
            elif isinstance(module, nn.Upsample):
                thop_macs = _THOP_BILINEAR_PER_ELEMENT * output[0].numel()
            costs.append(
                LayerCost(
                    name=name,
                    kind=type(module).__name__,
                    in_shape=tuple(inputs[0].shape[1:]),
                    out_shape=tuple(output.shape[1:]),
                    parameters=sum(p.numel() for p in module.parameters()),
                    conv_macs=conv_macs,
                    thop_macs=thop_macs,
                )
            )

        return hook

    leaves = [(name, module) for name, module in network.named_modules() if not list(module.children())]
    handles = [module.register_forward_hook(record(name, module)) for name, module in leaves]
    was_training = network.training
    try:
        network.eval()
        with torch.no_grad():
            network(torch.zeros(1, in_channels, height, width))
    finally:
        network.train(was_training)
        for handle in handles:
            handle.remove()
    return costs
