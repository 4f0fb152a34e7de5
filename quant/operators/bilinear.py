"""Bilinear upsampling by f = 2, 4, 8, 16 or 32, ``align_corners=False``: multiples of 1/(2f)^2, then a quantizer.

By 2, multiples are never so near to each other that a constant must be settled for them, and 8-bit kernels compute it.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnx import TensorProto
from torch import nn
from torch.nn import functional

from models.layers import Upsample2x
from quant.base.errors import ExportError
from quant.integer.fit import fit_staircase
from quant.integer.program import Staircase, Step
from quant.operators.linear_upsampling import FACTORS, LinearUpsampling, parts_of
from quant.operators.upsampling import interpolate

if TYPE_CHECKING:
    from collections.abc import Callable

    from quant.integer.compiled.plan import Plan
    from quant.integer.ort_graph import GraphBuilder

_PARTS_2X = parts_of((2, 2))
_BILINEAR = np.outer([1, 2, 1], [1, 2, 1])  # of the nearest-neighbour image, in sixteenths


@dataclass(frozen=True)
class Upsample(Step):
    """Bilinear x2 (``align_corners=False``): accumulator = 16 times the real value, then a staircase (C = 1)."""

    name: str
    source: str
    output: str
    staircase: Staircase


@dataclass(frozen=True)
class Enlarge(Step):
    """Bilinear upsampling by ``factor``: accumulator = (2*factor)^2 times the real value, then a staircase (C = 1)."""

    name: str
    source: str
    output: str
    factor: int
    staircase: Staircase

    @property
    def parts(self) -> int:
        """Accumulators of a code."""
        return parts_of((self.factor,) * 2)


class BilinearUpsample(nn.Upsample):
    """By a whole factor, ``align_corners=False``."""

    def __init__(self, factor: int) -> None:
        super().__init__(scale_factor=float(factor), mode="bilinear", align_corners=False)
        self.factor = factor


class Bilinear2x(LinearUpsampling):
    """Upsample(scale_factor=2, mode="bilinear"), ``F.interpolate``."""

    kinds = (Upsample2x,)
    written = (nn.Upsample,)
    told = "bilinear upsampling by 2"
    steps = (Upsample,)
    mode = "bilinear"

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """Of every mode."""
        return {functional.interpolate: interpolate}

    def made(self, factor: tuple[float, ...]) -> nn.Module | None:
        """By 2."""
        return Upsample2x() if factor == (2, 2) else None

    def step(self, names: tuple[str, str, str], factors: tuple[int, ...]) -> Step | None:
        """By 2."""
        return Upsample(*names, None) if factors == (2, 2) else None

    def rows_ahead(self, module: nn.Module, step_in: int, step_out: int) -> int:
        """An odd row reads the next row of its source: one of its own rows."""
        return step_out

    def accumulators(self, step: Upsample, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Sixteenths."""
        return (_PARTS_2X * functional.interpolate(tensors[step.source], scale_factor=2, mode="bilinear")).round()

    def build(self, builder: GraphBuilder, step: Upsample) -> None:
        """A depthwise 3x3 of the repeated image."""
        height, width = builder.sizes[step.source]
        builder.sizes[step.output] = (2 * height, 2 * width)
        codes = builder.program.codes[step.source]
        multiplier = np.array([builder.int8_limit(step.source) // _BILINEAR.max()])
        ends = (np.array([_PARTS_2X * codes.low]), np.array([_PARTS_2X * codes.high]))
        fit = fit_staircase(step.staircase, *ends, multiplier)
        if fit is None or fit.undershoots:
            raise ExportError(f"'{step.name}' requantizes by a factor that 8-bit kernels lack; use power-of-two scales")
        channels = builder.lanes * builder.program.channels[step.source]
        border = builder.constant(np.array([0, 1, 1, 0, 0, 1, 1, 0], np.int64))
        padded = builder.node("Pad", [builder.repeated(step.source, 2), border], mode="edge")
        weights = np.tile(fit.multiplier[0] * _BILINEAR, (channels, 1, 1, 1))
        out = builder.quantized_conv(step.source, padded, weights, fit, channels, [0] * 4, channels)
        builder.name(builder.clip(out, fit, 1), step.output)

    def compile(self, plan: Plan, step: Upsample) -> bool:
        """A kernel of its own."""
        height, width = plan.sizes[step.source]
        plan.sizes[step.output] = (2 * height, 2 * width)
        codes = plan.program.codes[step.source]
        low, high = (np.array([_PARTS_2X * code]) for code in (codes.low, codes.high))
        room = ctypes.c_void_p(plan.keep(np.zeros(3 * width + 64), np.int16))
        steps = plan.staircase(step.staircase, low, high, narrow=True)
        plan.call("bilinear_2", plan.planes(step.source), int(low[0]), steps, plan.planes(step.output), room)
        return True


class Bilinear(LinearUpsampling):
    """Upsample(scale_factor=4, mode="bilinear"), ``F.interpolate``."""

    kinds = (BilinearUpsample,)
    told = "bilinear upsampling by 4, 8, 16 or 32"
    steps = (Enlarge,)
    settled = True
    mode = "bilinear"

    def made(self, factor: tuple[float, ...]) -> nn.Module | None:
        """By a power of two."""
        return BilinearUpsample(int(factor[0])) if factor[0] == factor[1] and factor[0] in FACTORS else None

    def step(self, names: tuple[str, str, str], factors: tuple[int, ...]) -> Step | None:
        """Of two sides, the same."""
        return Enlarge(*names, factors[0], None) if factors in [(each, each) for each in FACTORS] else None

    def rows_ahead(self, module: nn.Module, step_in: int, step_out: int) -> int:
        """Half a row of its source."""
        return module.factor // 2 * step_out

    def parts(self, module: nn.Module, *inputs: torch.Tensor) -> int:
        """Accumulators of a code."""
        return parts_of((module.factor,) * 2)

    def accumulators(self, step: Enlarge, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Sums of codes by integer weights."""
        large = functional.interpolate(tensors[step.source], scale_factor=step.factor, mode="bilinear")
        return (step.parts * large).round()

    def build(self, builder: GraphBuilder, step: Enlarge) -> None:
        """Rows, then columns, by integer weights in float32, which is exact, and a line."""
        (height, width), factor = builder.sizes[step.source], step.factor
        builder.sizes[step.output] = (factor * height, factor * width)
        channels = builder.lanes * builder.program.channels[step.source]
        codes = builder.node("Cast", [step.source], to=TensorProto.FLOAT)
        rows = builder.reshape(codes, (height, width * channels))
        rows = builder.node("MatMul", [builder.constant(weights(height, factor)), rows])
        rows = builder.reshape(rows, (factor * height, width, channels))
        sums = builder.node("MatMul", [builder.constant(weights(width, factor)), rows])
        sums = builder.reshape(sums, (1, factor * height, factor * width, channels))
        self.build_mean(builder, step, sums, step.parts)


def weights(size: int, factor: int) -> np.ndarray:
    """(factor*size, size) float32: of each row of the input in each of the output, 2*factor together."""
    numerators = 2 * np.arange(factor * size) + 1 - factor  # of the centre's place, in 1/(2*factor) of a row
    upper, second = np.divmod(numerators, 2 * factor)
    matrix = np.zeros((factor * size, size), np.float32)
    for row, weight in ((upper, 2 * factor - second), (upper + 1, second)):
        np.add.at(matrix, (np.arange(factor * size), row.clip(0, size - 1)), weight)
    return matrix


OPERATORS = (Bilinear2x(), Bilinear())
