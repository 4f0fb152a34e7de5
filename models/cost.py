"""Parameters and multiply-accumulates of a network, by running it once on shapes alone (on zeros if it must).

Publications count differently, so three counts of MACs are given:

- ``conv_macs`` of a layer: a convolution's; a transposed one's by its input, so no product with an inserted zero;
- of a network: the convolutions, linear layers and matrix products of the whole network (true MACs);
- ``thop_macs``: as the profiler `thop` 0.1.1 counts. It knows layers by their exact type, so that functions and
  subclasses count nothing. It takes transposed convolutions at their OUTPUT size (four times too high for 2x2, stride
  2) and adds 4 an element for a norm with factors and 2 for one without, 11 an output element for bilinear upsampling,
  31 for trilinear and 1 for nearest, and an addition an element for average pooling.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from models.layers import Upsample2x

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """One layer: shapes without the batch, (C, H, W) or (C, X, Y, Z); parameters, and MACs by two counts."""

    name: str
    kind: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    parameters: int
    conv_macs: int
    thop_macs: int


def count_parameters(network: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in network.parameters())


def layer_costs(network: nn.Module, in_channels: int, *size: int) -> list[LayerCost]:
    """Costs of each leaf module in order of execution, for one image or volume of ``in_channels`` and ``size``."""
    return costs_and_macs(network, in_channels, *size)[0]


def costs_and_macs(network: nn.Module, in_channels: int, *size: int) -> tuple[list[LayerCost], int]:
    """`layer_costs` and the true MACs of the whole network, by one run; nothing is computed where shapes are enough."""
    costs: list[LayerCost] = []

    def record(name: str) -> Callable:
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            costs.append(
                LayerCost(
                    name=name,
                    kind=type(module).__name__,
                    in_shape=tuple(inputs[0].shape[1:]),
                    out_shape=tuple(output.shape[1:]),
                    parameters=sum(p.numel() for p in module.parameters()),
                    conv_macs=_conv_macs(module, inputs[0], output),
                    thop_macs=_THOP.get(type(module), lambda *_: 0)(module, inputs[0], output),
                )
            )

        return hook

    leaves = [(name, module) for name, module in network.named_modules() if not list(module.children())]
    handles = [module.register_forward_hook(record(name)) for name, module in leaves]
    try:
        with FlopCounterMode(display=False) as counter:

            def forget() -> None:
                costs.clear()
                counter.flop_counts.clear()

            _run_once(network, (1, in_channels, *size), forget)
    finally:
        for handle in handles:
            handle.remove()
    return costs, counter.get_total_flops() // 2


def _run_once(network: nn.Module, shape: tuple[int, ...], forget: Callable[[], None]) -> None:
    """Runs ``network`` in evaluation mode on the meta device; where that fails, again on zeros, after ``forget()``."""
    state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            try:
                with torch.device("meta"):
                    shapes = {name: tensor.detach().to("meta") for name, tensor in state.items()}
                    torch.func.functional_call(network, shapes, torch.zeros(shape))
            except RuntimeError:  # a forward that looks at values, or holds tensors that are no buffers
                forget()
                network(torch.zeros(shape))
    finally:
        network.train(was_training)


def _conv_macs(module: nn.Module, x: torch.Tensor, output: torch.Tensor) -> int:
    if isinstance(module, nn.ConvTranspose2d | nn.ConvTranspose3d):
        return prod(x.shape[2:]) * module.weight.numel()
    return _pixels_times_weights(module, x, output) if isinstance(module, nn.Conv2d | nn.Conv3d) else 0


def _pixels_times_weights(module: nn.Conv2d | nn.Conv3d, _x: torch.Tensor, output: torch.Tensor) -> int:
    return prod(output.shape[2:]) * module.weight.numel()


def _transposed_at_output_size(
    module: nn.ConvTranspose2d | nn.ConvTranspose3d, _x: torch.Tensor, output: torch.Tensor
) -> int:
    return output[0].numel() * (module.in_channels // module.groups) * prod(module.kernel_size)


def _norm(module: nn.Module, x: torch.Tensor, _output: torch.Tensor) -> int:
    has_factors = getattr(module, "affine", False) or getattr(module, "elementwise_affine", False)
    return (4 if has_factors else 2) * x[0].numel()


def _upsample(module: nn.Upsample, _x: torch.Tensor, output: torch.Tensor) -> int:
    return {"nearest": 1, "bilinear": 11, "trilinear": 31}.get(module.mode, 0) * output[0].numel()


def _adaptive_average(_module: nn.Module, x: torch.Tensor, output: torch.Tensor) -> int:
    return (prod(x.shape[2:]) // prod(output.shape[2:]) + 1) * output[0].numel()


_THOP: dict[type[nn.Module], Callable[..., int]] = {
    nn.Conv2d: _pixels_times_weights,
    nn.Conv3d: _pixels_times_weights,
    nn.ConvTranspose2d: _transposed_at_output_size,
    nn.ConvTranspose3d: _transposed_at_output_size,
    nn.Linear: lambda module, _x, output: module.in_features * output[0].numel(),
    nn.BatchNorm2d: _norm,
    nn.BatchNorm3d: _norm,
    nn.LayerNorm: _norm,
    nn.InstanceNorm2d: _norm,
    nn.Upsample: _upsample,
    Upsample2x: _upsample,  # the published networks have nn.Upsample there
    nn.UpsamplingBilinear2d: _upsample,
    nn.AvgPool2d: lambda _module, _x, output: output[0].numel(),
    nn.AdaptiveAvgPool2d: _adaptive_average,
}
