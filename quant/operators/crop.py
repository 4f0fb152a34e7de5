"""Slices of rows, columns and channels: a crop, a part of a split, pixels with a stride."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from quant.base.errors import ExportError
from quant.integer.program import Step
from quant.layers.fused import of_values
from quant.operators.layers import HandingOn

if TYPE_CHECKING:
    from brevitas.quant_tensor import QuantTensor
    from onnx import NodeProto

    from quant.integer.ort_graph import GraphBuilder
    from quant.integer.parse import Parser
    from quant.integer.torch_engine import TorchEngine

_AXES = 4


@dataclass(frozen=True)
class Cut(Step):
    """What ``channels``, ``rows`` and ``columns``, each (start, end, step), leave of a tensor."""

    name: str
    source: str
    output: str
    channels: tuple[int, int, int]
    rows: tuple[int, int, int]
    columns: tuple[int, int, int]


class _AsOneSlice(torch.autograd.Function):
    """A slice along three axes, which PyTorch's exporter would write as three."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, slices: tuple[slice, ...]) -> torch.Tensor:
        del ctx
        return x[slices].clone()

    @staticmethod
    def symbolic(g: Any, x: Any, slices: tuple[slice, ...]) -> Any:
        starts, ends, steps = zip(*((each.start, each.stop, each.step) for each in slices[1:]), strict=True)
        values = [g.op("Constant", value_t=torch.tensor(each)) for each in (starts, ends, (1, 2, 3), steps)]
        return g.op("Slice", x, *values)


class Crop(nn.Module):
    """``channels`` (first, end) of the pixels that ``rows`` and ``columns`` leave.

    Those are (left out before, left out behind, step), which holds for images of every size.
    """

    def __init__(self, channels: tuple[int, int], rows: tuple[int, int, int], columns: tuple[int, int, int]) -> None:
        super().__init__()
        self.channels, self.rows, self.columns = channels, rows, columns

    def forward(self, x: torch.Tensor | QuantTensor) -> torch.Tensor | QuantTensor:
        """(B, C, H, W) -> (B, end - first, H', W')."""
        return of_values(x, self._cut)

    def _cut(self, x: torch.Tensor) -> torch.Tensor:
        slices = [slice(None), slice(*self.channels, 1)]
        for (before, behind, step), size in zip((self.rows, self.columns), x.shape[2:], strict=True):
            slices.append(slice(before, int(size) - behind, step))
        return _AsOneSlice.apply(x, tuple(slices)) if torch.onnx.is_in_onnx_export() else x[tuple(slices)]

    def extra_repr(self) -> str:
        """As of ``nn.Module``."""
        return f"channels={self.channels}, rows={self.rows}, columns={self.columns}"


class Cropping(HandingOn):
    """What ``rearrangement`` finds to be a slice."""

    kinds = (Crop,)
    told = "slices, splits and crops"
    names = ("Slice",)
    steps = (Cut,)
    lets_pass = True

    def rows_ahead(self, module: nn.Module, step_in: int, step_out: int) -> int:
        """Those that are left out above."""
        return module.rows[0] * step_in

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """By constant bounds."""
        source, shape = parser.codes_input(node, 0), parser.model.get_tensor_shape(node.input[0])
        values = [parser.model.get_initializer(name) for name in node.input[1:]]
        if any(value is None for value in values):
            raise ExportError(f"slice '{node.name}' cuts where the image decides; give it constant bounds")
        starts, ends, axes, steps = [*values, *[None] * (_AXES - len(values))]
        axes = range(len(starts)) if axes is None else axes.tolist()
        steps = [1] * len(starts) if steps is None else steps.tolist()
        kept = [(0, size, 1) for size in shape]
        for axis, start, end, step in zip(axes, starts.tolist(), ends.tolist(), steps, strict=True):
            kept[axis] = slice(start, end, step).indices(shape[axis])
        if kept[0] != (0, shape[0], 1) or any(step < 1 for _, _, step in kept) or not all(_counts(kept)):
            raise ExportError(f"slice '{node.name}' takes images, or is reversed or empty; slice C, H or W forwards")
        step = Cut(node.name, source, node.output[0], *kept[1:])
        parser.hand_on(node, step, parser.codes[source], _counts(kept)[1])

    def run(self, engine: TorchEngine, step: Cut, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """By torch's own."""
        return tensors[step.source][:, slice(*step.channels), slice(*step.rows), slice(*step.columns)]

    def build(self, builder: GraphBuilder, step: Cut) -> None:
        """Per lane."""
        (height, width), lanes = builder.sizes[step.source], builder.lanes
        builder.sizes[step.output] = tuple(_counts([step.rows, step.columns]))
        whole = builder.program.channels[step.source]
        apart = builder.reshape(step.source, (height, width, lanes, whole))
        starts, ends, steps = zip(step.rows, step.columns, step.channels, strict=True)
        bounds = [builder.constant(np.array(each, np.int64)) for each in (starts, ends, (0, 1, 3), steps)]
        channels = lanes * builder.program.channels[step.output]
        shape = (1, *builder.sizes[step.output], channels)
        builder.reshape(builder.node("Slice", [apart, *bounds]), shape, step.output)


def _counts(slices: list[tuple[int, int, int]]) -> list[int]:
    return [len(range(*each)) for each in slices]


OPERATORS = (Cropping(),)
