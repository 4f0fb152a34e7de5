"""Averages of windows of volumes, of any kernel, stride and padding: a window's sum is an integer, then a quantizer.

Windows may count fewer voxels at the border (`window_counts`): zeros around that are not counted, and ``ceil_mode``,
which is zeros behind that are not counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

from quant.base.errors import ExportError
from quant.integer.nodes import attribute
from quant.integer.program import Staircase, Step
from quant.operators.layers import Averaging
from quant.operators.operator import refuse
from quant.operators.pooling_modules import AveragePoolModules
from quant.operators.volumes import SIDES, is_of_volumes, numbers, padded, triple
from quant.operators.window_counts import common_multiple, counts_along, factors_to, require_held, windows_along
from quant.operators.windows import windows_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from quant.integer.parse import Parser
    from quant.twin.written import Translator


@dataclass(frozen=True)
class WindowAverage3d(Step):
    """Sum of each window's codes, times ``factors`` (X', Y', Z'), ``pixels`` times their average, then a staircase
    (C = 1). ``pads``: before x, y and z, then after them.
    """

    name: str
    source: str
    output: str
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    factors: np.ndarray
    pixels: int
    staircase: Staircase | None


class WindowMean3d(nn.Module):
    """The mean of each window of a volume with ``pads`` zeros around it (as of ``WindowAverage3d``), which are counted
    or not; what is behind the last whole window is in none.
    """

    def __init__(
        self, kernel: tuple[int, ...], strides: tuple[int, ...], pads: tuple[int, ...], counts_zeros: bool
    ) -> None:
        super().__init__()
        self.kernel, self.strides, self.pads, self.counts_zeros = kernel, strides, pads, counts_zeros

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, X, Y, Z) -> (B, C, X', Y', Z')."""
        if torch.onnx.is_in_onnx_export():
            return _AsAveragePool.apply(x, self)
        return self.mean(x)

    def mean(self, x: torch.Tensor) -> torch.Tensor:
        """As ``forward``; sums of codes are exact, so that a value is rounded once."""
        counted = torch.ones_like(x[:1, :1])
        counts = math.prod(self.kernel) if self.counts_zeros else self._sums(counted)
        return self._sums(x) / counts

    def parts(self, x: torch.Tensor) -> int:
        """The common multiple of the numbers of voxels of the windows of ``x``."""
        counts = _counts([int(side) for side in x.shape[2:]], self.kernel, self.strides, self.pads, self.counts_zeros)
        return common_multiple(counts)

    def extra_repr(self) -> str:
        """As of ``nn.Module``."""
        return f"{self.kernel}, strides={self.strides}, pads={self.pads}, counts_zeros={self.counts_zeros}"

    def _sums(self, x: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool3d(padded(x, self.pads), self.kernel, self.strides, divisor_override=1)


class _AsAveragePool(torch.autograd.Function):
    """One node, which PyTorch's own average has no zeros of different numbers before and behind for."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, module: WindowMean3d) -> torch.Tensor:
        del ctx
        return module.mean(x)

    @staticmethod
    def symbolic(g: Any, x: Any, module: WindowMean3d) -> Any:
        lists = {"kernel_shape_i": module.kernel, "strides_i": module.strides, "pads_i": module.pads}
        return g.op("AveragePool", x, count_include_pad_i=int(module.counts_zeros), **lists)


class WindowAveraging3d(AveragePoolModules, Averaging):
    """AvgPool3d, ``F.avg_pool3d``."""

    kinds = (WindowMean3d,)
    written = (nn.AvgPool3d,)
    told = "AvgPool3d (of volumes)"
    names = ("AveragePool",)
    steps = (WindowAverage3d,)
    of_volumes = True
    settled = True

    def functions(self) -> dict[Any, Callable[..., Any]]:
        """The function of the same name."""
        return {functional.avg_pool3d: self.pool}

    def pool(
        self,
        translator: Translator,
        x: fx.Node,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        name: str | None = None,
    ) -> fx.Node:
        """Zeros behind, which ``ceil_mode`` asks for, are not counted; those around may be."""
        kernel, strides, around = map(triple, (kernel_size, stride or kernel_size, padding))
        if divisor_override:
            refuse(f"averages with divisor_override={divisor_override}; leave it out, and multiply by a constant")
        if set(kernel) == set(strides) == {1} and not any(around):
            return x
        sides, counts_zeros = translator.shape(x)[2:], any(around) and count_include_pad
        settings = list(zip(sides, kernel, strides, around, strict=True))
        windows = [windows_along(*each, ceil_mode) for each in settings]
        ends = [
            step * (count - 1) + taps - side - before
            for count, (side, taps, step, before) in zip(windows, settings, strict=True)
        ]
        if counts_zeros and any(end > after for end, after in zip(ends, around, strict=True)):
            refuse(
                f"averages {'x'.join(map(str, sides))} voxels with ceil_mode and padding {around} that is counted; set"
                " count_include_pad=False, or leave ceil_mode out"
            )
        behind = around if counts_zeros else tuple(max(0, end) for end in ends)
        module = WindowMean3d(kernel, strides, (*around, *behind), counts_zeros)
        return translator.emit(module, (x,), name, shape=(*translator.shape(x)[:2], *windows))

    def adaptive(self, translator: Translator, x: fx.Node, output_size: Any, *, name: str | None = None) -> fx.Node:
        """To ``output_size`` voxels, by windows that are alike."""
        return self.pool(translator, x, windows_of(translator, x, output_size), name=name)

    def over(self, translator: Translator, x: fx.Node, axes: list[int]) -> fx.Node:
        """Over the whole of some ``axes``, 2, 3 and 4, which are kept as one voxel each."""
        return self.pool(
            translator, x, tuple(side if axis in axes else 1 for axis, side in enumerate(translator.shape(x)[2:], 2))
        )

    def parts(self, module: Any, *inputs: torch.Tensor) -> int:
        """The common multiple of the numbers of voxels."""
        return module.parts(inputs[0])

    def takes(self, node: NodeProto) -> bool:
        """Of AveragePool, three sides."""
        return is_of_volumes(node)

    def parse(self, parser: Parser, node: NodeProto) -> None:
        """Of codes whose multiples float32 holds."""
        if attribute(node, "ceil_mode", 0):
            raise ExportError(f"average-pool '{node.name}' has ceil_mode; make it zeros behind that are not counted")
        source, counts_zeros = parser.codes_input(node, 0), bool(attribute(node, "count_include_pad", 0))
        kernel, strides = (numbers(node, name, 1) for name in ("kernel_shape", "strides"))
        pads = numbers(node, "pads", 0, 2 * SIDES)
        counts = _counts(parser.model.get_tensor_shape(node.input[0])[2:], kernel, strides, pads, counts_zeros)
        require_held(node.name, counts, parser.codes[source])
        pixels, factors = common_multiple(counts), factors_to(counts)
        names = (node.name, source, node.output[0])
        step = WindowAverage3d(*names, kernel, strides, pads, factors, pixels, None)
        self.start_mean(parser, node, step, pixels)

    def accumulators(self, step: Any, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        """Their sums, times the factor of their place."""
        source = padded(tensors[step.source], step.pads)
        sums = functional.avg_pool3d(source, step.kernel, step.strides, divisor_override=1)
        return sums * torch.from_numpy(step.factors).to(sums)


def _counts(
    sides: list[int], kernel: tuple[int, ...], strides: tuple[int, ...], pads: tuple[int, ...], counts_zeros: bool
) -> list[np.ndarray]:
    """Of each side, how many of its places each window counts; a row of zeros is one where they are counted."""
    whole = [before + side + behind for before, side, behind in zip(pads[:SIDES], sides, pads[SIDES:], strict=True)]
    windows = [(side - taps) // step + 1 for side, taps, step in zip(whole, kernel, strides, strict=True)]
    if counts_zeros:
        return [np.full(count, taps) for count, taps in zip(windows, kernel, strict=True)]
    return counts_along(sides, windows, kernel, strides, pads[:SIDES])


AVERAGES_3D = WindowAveraging3d()
OPERATORS = (AVERAGES_3D,)
