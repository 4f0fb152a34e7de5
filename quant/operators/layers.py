"""What layers without weights share: those that compute exact multiples, and those that hand codes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from quant.integer.program import Step
from quant.operators.operator import Operator

if TYPE_CHECKING:
    from quant.integer.torch_engine import TorchEngine


class Accumulating(Operator):
    """Gives exact multiples of a fraction of its codes, which a quantizer of its own turns into codes again."""

    accumulates = True

    def accumulators(self, step: Step, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """(N, C, H, W) float64, the integers that ``step``'s staircase takes."""
        raise NotImplementedError

    def run(self, engine: TorchEngine, step: Step, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Accumulators, then codes."""
        return engine.climb(step.name, step.staircase, self.accumulators(step, tensors))


class HandingOn(Operator):
    """Gives codes that it reads, in another place, chosen, or joined."""

    hands_on = True
