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
from quant.integer.nodes import attribute
from quant.integer.program import Staircase, Step
from quant.operators.layers import Averaging
from quant.operators.upsampling import Upsampling, factor_of, interpolate

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from quant.integer.compiled.plan import Plan
    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser

FACTORS = (4, 8, 16, 32)  # and 2
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
        return _parts(self.factor)


class BilinearUpsample(nn.Upsample):
    """By a whole factor, ``align_corners=False``."""

    def __init__(self, factor: int) -> None:
        super().__init__(scale_factor=float(factor), mode="bilinear", align_corners=False)
        self.factor = factor


class _Bilinear(Upsampling, Averaging):
    """A value is a mean by weights that are integers."""

    names = ("Resize",)
    bits = "upsample"
    mode = "bilinear"

    def window(self, module: nn.Module) -> int:
        """Two rows."""
        return 2

    def roundings(self, step: Upsample | Enlarge) -> int:
        """Of the constant that is added: weights are multiples of a power of two."""
        return 1

    def takes(self, node: NodeProto) -> bool:
        """Of Resize, all but nearest."""
        return attribute(node, "mode", b"nearest") != b"nearest"

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """By a power of two, 2 itself too."""
        source = parser.codes_input(node, 0)
        factor = factor_of(parser, node)
        form = attribute(node, "mode", b""), attribute(node, "coordinate_transformation_mode", b"half_pixel")
        if form != (b"linear", b"half_pixel") or factor not in (2, *FACTORS):
            raise ExportError(
                f"upsampling '{node.name}' must be bilinear by 2, 4, 8, 16 or 32 with align_corners=False"
            )
        names = (node.name, source, node.output[0])
        step = Upsample(*names, None) if factor == 2 else Enlarge(*names, factor, None)
        self.start_mean(parser, node, step, _parts(factor))


class Bilinear2x(_Bilinear):
    """Upsample(scale_factor=2, mode="bilinear"), ``F.interpolate``."""

    kinds = (Upsample2x,)
    written = (nn.Upsample,)
    told = "bilinear upsampling by 2"
    steps = (Upsample,)

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """Of every mode."""
        return {functional.interpolate: interpolate}

    def made(self, factor: tuple[float, float]) -> nn.Module | None:
        """By 2."""
        return Upsample2x() if factor == (2, 2) else None

    def rows_ahead(self, module: nn.Module, step_in: int, step_out: int) -> int:
        """An odd row reads the next row of its source: one of its own rows."""
        return step_out

    def accumulators(self, step: Upsample, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Sixteenths."""
        return (_parts(2) * functional.interpolate(tensors[step.source], scale_factor=2, mode="bilinear")).round()

    def build(self, builder: GraphBuilder, step: Upsample) -> None:
        """A depthwise 3x3 of the repeated image."""
        height, width = builder.sizes[step.source]
        builder.sizes[step.output] = (2 * height, 2 * width)
        codes = builder.program.codes[step.source]
        multiplier = np.array([builder.int8_limit(step.source) // _BILINEAR.max()])
        ends = (np.array([_parts(2) * codes.low]), np.array([_parts(2) * codes.high]))
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
        low, high = (np.array([_parts(2) * code]) for code in (codes.low, codes.high))
        room = ctypes.c_void_p(plan.keep(np.zeros(3 * width + 64), np.int16))
        steps = plan.staircase(step.staircase, low, high, narrow=True)
        plan.call("bilinear_2", plan.planes(step.source), int(low[0]), steps, plan.planes(step.output), room)
        return True


class Bilinear(_Bilinear):
    """Upsample(scale_factor=4, mode="bilinear"), ``F.interpolate``."""

    kinds = (BilinearUpsample,)
    told = "bilinear upsampling by 4, 8, 16 or 32"
    steps = (Enlarge,)
    settled = True

    def made(self, factor: tuple[float, float]) -> nn.Module | None:
        """By a power of two."""
        return BilinearUpsample(int(factor[0])) if factor[0] == factor[1] and factor[0] in FACTORS else None

    def rows_ahead(self, module: nn.Module, step_in: int, step_out: int) -> int:
        """Half a row of its source."""
        return module.factor // 2 * step_out

    def parts(self, module: nn.Module, *inputs: torch.Tensor) -> int:
        """Accumulators of a code."""
        return _parts(module.factor)

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


def _parts(factor: int) -> int:
    return (2 * factor) ** 2


OPERATORS = (Bilinear2x(), Bilinear())
