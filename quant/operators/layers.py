"""What layers without weights share: those that compute exact multiples, and those that hand codes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quant.base.errors import ExportError
from quant.integer.exact import EXACT_FLOAT32
from quant.operators.operator import Operator

if TYPE_CHECKING:
    import torch

    from quant.integer.program import Step
    from quant.integer.torch_engine import TorchEngine


class Accumulating(Operator):
    """Gives exact multiples of a fraction of its codes, which a quantizer of its own turns into codes again."""

    accumulates = True

    def accumulators(self, step: Step, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """(N, C, H, W) float64, the integers that ``step``'s staircase takes."""
        raise NotImplementedError

    def roundings(self, step: Step) -> int:
        """Of float32, from the values of ``step`` to their quantizer: the constant that is added."""
        return 1

    def require_settled(self, step: Step) -> None:
        """What ``settled`` keeps thresholds off the integers is more than roundings are."""
        room = self.roundings(step) * np.abs(step.staircase.thresholds) / EXACT_FLOAT32
        if self.settled and np.any(step.staircase.distances < room):
            raise ExportError(
                f"'{step.name}' gives values that float32 may round to the next code; settle its thresholds"
                " (`python -m quant settle`), give it fewer bits, or average fewer pixels: pool the image before"
            )

    def run(self, engine: TorchEngine, step: Step, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Accumulators, then codes."""
        return engine.climb(step.name, step.staircase, self.accumulators(step, tensors))


class HandingOn(Operator):
    """Gives codes that it reads, in another place, chosen, or joined."""

    hands_on = True
