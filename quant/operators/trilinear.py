"""Trilinear upsampling of volumes, each axis by 1, 2, 4, 8, 16 or 32, ``align_corners=False``, then a quantizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn import functional

from quant.integer.program import Staircase, Step
from quant.operators.linear_upsampling import FACTORS, LinearUpsampling, parts_of
from quant.operators.volumes import SIDES

if TYPE_CHECKING:
    import torch

_FACTORS = (1, 2, *FACTORS)


@dataclass(frozen=True)
class Enlarge3d(Step):
    """By ``factors`` of x, y and z: accumulator = ``parts`` times the real value, then a staircase (C = 1)."""

    name: str
    source: str
    output: str
    factors: tuple[int, ...]
    staircase: Staircase | None

    @property
    def parts(self) -> int:
        """Accumulators of a code."""
        return parts_of(self.factors)


class TrilinearUpsample(nn.Upsample):
    """By a whole factor of each axis, ``align_corners=False``."""

    def __init__(self, factors: tuple[int, ...]) -> None:
        super().__init__(scale_factor=tuple(map(float, factors)), mode="trilinear", align_corners=False)
        self.factors = factors


class Trilinear(LinearUpsampling):
    """Upsample(scale_factor=2, mode="trilinear"), ``F.interpolate``."""

    kinds = (TrilinearUpsample,)
    told = "trilinear upsampling by powers of two (of volumes)"
    steps = (Enlarge3d,)
    of_volumes = True
    settled = True
    mode = "trilinear"

    def made(self, factor: tuple[float, ...]) -> nn.Module | None:
        """By powers of two."""
        return TrilinearUpsample(tuple(map(int, factor))) if set(factor) <= {*_FACTORS} else None

    def step(self, names: tuple[str, str, str], factors: tuple[int, ...]) -> Step | None:
        """Of three sides."""
        taken = len(factors) == SIDES and set(factors) <= {*_FACTORS} and set(factors) != {1}
        return Enlarge3d(*names, factors, None) if taken else None

    def parts(self, module: Any, *inputs: torch.Tensor) -> int:
        """Accumulators of a code."""
        return parts_of(module.factors)

    def accumulators(self, step: Any, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Sums of codes by integer weights."""
        factors = tuple(map(float, step.factors))
        large = functional.interpolate(tensors[step.source], scale_factor=factors, mode="trilinear")
        return (step.parts * large).round()


OPERATORS = (Trilinear(),)
