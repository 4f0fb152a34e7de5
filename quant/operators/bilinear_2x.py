"""Bilinear upsampling by two, ``align_corners=False``: multiples of 1/16, then a quantizer of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.layers import Upsample2x
from quant.base.errors import ExportError
from quant.integer.fit import fit_staircase
from quant.integer.nodes import attribute
from quant.integer.program import Staircase, Step
from quant.integer.staircase import Chain
from quant.operators.layers import Accumulating
from quant.operators.upsampling import Upsampling, interpolate

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser

_BILINEAR = np.outer([1, 2, 1], [1, 2, 1])  # of the nearest-neighbour image, in sixteenths
_PARTS = 16


@dataclass(frozen=True)
class Upsample(Step):
    """Bilinear x2 (``align_corners=False``): accumulator = 16 times the real value, then a staircase (C = 1)."""

    name: str
    source: str
    output: str
    staircase: Staircase


class Bilinear2x(Upsampling, Accumulating):
    """Upsample(scale_factor=2, mode="bilinear"), ``F.interpolate``."""

    kinds = (Upsample2x,)
    written = (nn.Upsample,)
    told = "bilinear upsampling by 2"
    names = ("Resize",)
    steps = (Upsample,)
    bits = "upsample"
    mode = "bilinear"

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """Of every mode."""
        return {functional.interpolate: interpolate}

    def made(self, factor: tuple[float, float]) -> nn.Module | None:
        """By 2."""
        return Upsample2x() if factor == (2, 2) else None

    def window(self, module: nn.Module) -> int:
        """Two rows."""
        return 2

    def rows_ahead(self, module: nn.Module, step_in: int, step_out: int) -> int:
        """An odd row reads the next row of its source: one of its own rows."""
        return step_out

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """By 2."""
        source = parser.codes_input(node, 0)
        scales = parser.model.get_initializer(node.input[2]) if len(node.input) > 2 else None
        mode = attribute(node, "mode", b"nearest")
        position = attribute(node, "coordinate_transformation_mode", b"half_pixel")
        if mode != b"linear" or position != b"half_pixel" or scales is None or list(scales) != [1, 1, 2, 2]:
            raise ExportError(f"upsampling '{node.name}' must be bilinear by 2 with align_corners=False")
        codes = parser.codes[source]
        ends = (np.array([_PARTS * codes.low]), np.array([_PARTS * codes.high]))
        step = Upsample(node.name, source, node.output[0], None)
        parser.start(node, step, Chain(np.array([codes.scale / _PARTS]), *ends), parser.channels[source])

    def accumulators(self, step: Upsample, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Sixteenths."""
        return (_PARTS * functional.interpolate(tensors[step.source], scale_factor=2, mode="bilinear")).round()

    def build(self, builder: GraphBuilder, step: Upsample) -> None:
        """A depthwise 3x3 of the repeated image."""
        height, width = builder.sizes[step.source]
        builder.sizes[step.output] = (2 * height, 2 * width)
        codes = builder.program.codes[step.source]
        multiplier = np.array([builder.int8_limit(step.source) // _BILINEAR.max()])
        ends = (np.array([_PARTS * codes.low]), np.array([_PARTS * codes.high]))
        fit = fit_staircase(step.staircase, *ends, multiplier)
        if fit is None or fit.undershoots:
            raise ExportError(f"'{step.name}' requantizes by a factor that 8-bit kernels lack; use power-of-two scales")
        channels = builder.lanes * builder.program.channels[step.source]
        border = builder.constant(np.array([0, 1, 1, 0, 0, 1, 1, 0], np.int64))
        padded = builder.node("Pad", [builder.repeated(step.source, 2), border], mode="edge")
        weights = np.tile(fit.multiplier[0] * _BILINEAR, (channels, 1, 1, 1))
        out = builder.quantized_conv(step.source, padded, weights, fit, channels, [0] * 4, channels)
        builder.name(builder.clip(out, fit, 1), step.output)


OPERATORS = (Bilinear2x(),)
