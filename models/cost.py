"""Parameters and multiply-accumulates of a network, layer by layer, by running it once on zeros.

Two counts of MACs are given because publications differ: ``conv_macs`` counts convolutions alone; ``thop_macs`` counts
as the `thop` profiler does, which adds 4 an element for an affine BN and 11 an output element for bilinear upsampling
(trilinear 31), and counts a transposed convolution at its output's size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

_THOP_BATCHNORM_PER_ELEMENT = 4
_THOP_UPSAMPLE_PER_ELEMENT = {"bilinear": 11, "trilinear": 31}


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """One layer: shapes as (C, H, W) or (C, X, Y, Z), parameters, and MACs by both counts."""

    name: str
    kind: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    parameters: int
    conv_macs: int
    thop_macs: int


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def layer_costs(network: nn.Module, in_channels: int, *size: int) -> list[LayerCost]:
    """Costs of each leaf module in order of execution, for one image or volume of ``in_channels`` and ``size``.

    A network in torch's ``meta`` memory is counted without being computed.
    """
    costs: list[LayerCost] = []

    def record(name: str, module: nn.Module):
        def hook(_module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            conv_macs = thop_macs = 0
            if isinstance(module, (nn.Conv2d, nn.Conv3d)):
                conv_macs = thop_macs = output[0].numel() * module.weight[0].numel()
            elif isinstance(module, (nn.ConvTranspose2d, nn.ConvTranspose3d)):
                conv_macs = inputs[0][0].numel() * module.weight[0].numel()
                thop_macs = output[0].numel() * module.weight[0].numel()  # as thop has it, at the output's size
            elif isinstance(module, (nn.BatchNorm2d, nn.BatchNorm3d)):
                thop_macs = _THOP_BATCHNORM_PER_ELEMENT * output[0].numel()
            elif isinstance(module, nn.Upsample):
                thop_macs = _THOP_UPSAMPLE_PER_ELEMENT.get(module.mode, 0) * output[0].numel()
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
    device = next((parameter.device for parameter in network.parameters()), None)
    try:
        network.eval()
        with torch.no_grad():
            network(torch.zeros(1, in_channels, *size, device=device))
    finally:
        network.train(was_training)
        for handle in handles:
            handle.remove()
    return costs
