"""What layers without weights share: those that compute exact multiples, and those that hand codes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from quant.base.errors import ExportError
from quant.integer.exact import EXACT_FLOAT32
from quant.integer.fit import line_of
from quant.integer.staircase import Chain
from quant.operators.operator import Operator
from quant.operators.volumes import points

if TYPE_CHECKING:
    import torch
    from onnx import NodeProto

    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser
    from quant.integer.program import Step
    from quant.integer.torch_engine import TorchEngine


_ROUNDINGS = 4  # of float32, from a sum to the quantizer: by the number of pixels, and of the constant added


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
        if not self.settled:
            return
        room = self.roundings(step) * np.abs(step.staircase.thresholds) / EXACT_FLOAT32
        if np.any(step.staircase.distances < room):
            raise ExportError(
                f"'{step.name}' gives values that float32 may round to the next code; settle its thresholds"
                " (`python -m quant settle`), give it fewer bits, or average fewer pixels: pool the image before"
            )

    def run(self, engine: TorchEngine, step: Step, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Accumulators, then codes."""
        return engine.climb(step.name, step.staircase, self.accumulators(step, tensors))


class Averaging(Accumulating):
    """Means of as many codes of a channel as a step's sum has; what its staircase takes is their sum."""

    bits = "sum"

    def grid(self, scales: list[float]) -> float:
        """Of the sum."""
        return scales[0]

    def roundings(self, step: Step) -> int:
        """A division by a power of two does not round."""
        return 1 if step.pixels & (step.pixels - 1) == 0 else _ROUNDINGS

    def start_mean(self, parser: Parser, node: NodeProto, step: Step, pixels: int) -> None:
        """Begin ``step``, of ``node``, which averages ``pixels`` codes; ExportError where float32 may round the sum."""
        codes = parser.codes[step.source]
        low, high = pixels * codes.low, pixels * codes.high
        if max(-low, high) >= EXACT_FLOAT32:
            sides = parser.model.get_tensor_shape(node.input[0])[2:]
            raise ExportError(
                f"'{node.name}' averages {'x'.join(map(str, sides))} {points(sides)}, whose sum float32 may round; pool"
                " the image before"
            )
        chain = Chain(np.array([codes.scale / pixels]), np.array([low]), np.array([high]))
        parser.start(node, step, chain, parser.channels[step.source])

    def build_mean(self, builder: GraphBuilder, step: Step, sums: str, pixels: int) -> None:
        """The codes of ``step`` from ``sums``, in float32, of codes less their least: by a line."""
        codes = builder.program.codes[step.source]
        least, most = np.array([pixels * codes.low]), np.array([pixels * codes.high])
        sums = builder.node("Add", [sums, builder.constant(np.float32(least[0]))])
        builder.name(builder.line_codes(sums, line_of(step.staircase, least, most), step.name), step.output)


class HandingOn(Operator):
    """Gives codes that it reads, in another place, chosen, or joined."""

    hands_on = True
