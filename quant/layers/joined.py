"""A BN and the activation that alone reads it, in one where there are passes for both (``passes.py``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from torch import nn

from quant.layers.fused import as_activation, is_activation
from quant.layers.passes import NO_ACTIVATION, can_pass_norm, normalized

if TYPE_CHECKING:
    import torch

_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


def join_passes(network: nn.Module) -> None:
    """Lets each ``nn.Sequential`` in ``network`` run its BNs together with the activations that follow them."""
    for module in network.modules():
        if type(module) is nn.Sequential:
            module.__class__ = _JoinedSequential


def is_norm(module: nn.Module | None) -> TypeGuard[nn.BatchNorm2d]:
    """Whether ``module`` is a BN of images as torch has it."""
    return isinstance(module, nn.BatchNorm2d) and type(module).forward is nn.BatchNorm2d.forward


def norm_and_activation(norm: nn.BatchNorm2d, activation: nn.Module | None, x: Any) -> torch.Tensor:
    """``activation(norm(x))``, ``activation`` None: ``norm(x)``; hooks on either are called."""
    joined = NO_ACTIVATION if activation is None else as_activation(activation)
    if joined is None or _is_observed(norm) or _is_observed(activation) or not can_pass_norm(norm, x):
        y = norm(x)
        return y if activation is None else activation(y)
    return normalized(norm, x, joined)


def _is_observed(module: nn.Module | None) -> bool:
    return module is not None and ("forward" in vars(module) or any(vars(module)[hooks] for hooks in _HOOKS))


class _JoinedSequential(nn.Sequential):
    def forward(self, input: Any) -> Any:
        modules = list(self)
        while modules:
            module = modules.pop(0)
            if is_norm(module):
                follows = bool(modules) and is_activation(modules[0])
                input = norm_and_activation(module, modules.pop(0) if follows else None, input)
            else:
                input = module(input)
        return input
