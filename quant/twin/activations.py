"""The one list of activations: which thresholds can hold, how each of these is undone, and which become tables.

An activation after an integer accumulator becomes thresholds through its inverse: see ``integer/staircase.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from quant.integer.staircase import Activation, Clip, Leaky
from quant.operators.table import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable

# Monotonic and made of straight lines: these become thresholds.
STRAIGHT = (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.LeakyReLU, nn.PReLU, nn.Hardsigmoid)
ACTIVATIONS = (*STRAIGHT, *TABLES)
NEVER_NEGATIVE = (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Hardsigmoid, nn.Softplus)


def why_not_exported(module: nn.Module) -> str | None:
    """Why ``module``, an activation, cannot become thresholds; None where it can."""
    if isinstance(module, nn.PReLU) and bool((module.weight <= 0).any()):
        return "has a slope that is not positive, so it is not monotonic"
    if isinstance(module, nn.LeakyReLU) and module.negative_slope <= 0:
        return "has a slope that is not positive, so it is not monotonic"
    return None


def not_exported(network: nn.Module) -> str | None:
    """A sentence for the first activation of the twin ``network`` that cannot become thresholds; None without one."""
    for name, module in network.named_modules():
        why = why_not_exported(module)
        if why is not None:
            return f"activation '{name.removesuffix('.activation')}' ({type(module).__name__}) {why}; use ReLU"
    return None


def formula(module: nn.Module, channels: int) -> tuple[tuple[float, float], Activation]:
    """(gain, shift) of what stands before the activation itself, and the activation.

    Only those that ``why_not_exported`` has nothing against have one.
    """
    makers: dict[type[nn.Module], Callable[[nn.Module], tuple[tuple[float, float], Activation]]] = {
        nn.ReLU: lambda m: ((1.0, 0.0), Clip(0.0, np.inf)),
        nn.ReLU6: lambda m: ((1.0, 0.0), Clip(0.0, 6.0)),
        nn.Hardtanh: lambda m: ((1.0, 0.0), Clip(float(m.min_val), float(m.max_val))),
        nn.Hardsigmoid: lambda m: ((1 / 6, 0.5), Clip(0.0, 1.0)),
        nn.LeakyReLU: lambda m: ((1.0, 0.0), Leaky(np.full(channels, float(m.negative_slope)))),
        nn.PReLU: lambda m: ((1.0, 0.0), Leaky(np.broadcast_to(m.weight.detach().double().numpy(), (channels,)))),
    }
    return next(makers[kind] for kind in type(module).__mro__ if kind in makers)(module)
