"""Averages along one axis, a pixel for each row or for each column: as average pools whose windows are lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn
from torch.nn import functional

from quant.operators.window_average import WindowAveraging

if TYPE_CHECKING:
    import torch

HEIGHT, WIDTH = 2, 3  # axes


class LineMean(nn.Module):
    """The mean over one ``axis``, HEIGHT or WIDTH, which is kept as one pixel."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) -> (B, C, 1, W) or (B, C, H, 1); an export takes it for a window of the image's size."""
        return functional.avg_pool2d(x, (int(x.shape[2]), 1) if self.axis == HEIGHT else (1, int(x.shape[3])))

    def extra_repr(self) -> str:
        """As of ``nn.Module``."""
        return f"axis={self.axis}"


class LineAveraging(WindowAveraging):
    """AdaptiveAvgPool2d((None, 1)), ``x.mean(3, keepdim=True)``; in a graph they are `window_average`'s."""

    kinds: ClassVar[Any] = (LineMean,)
    told = "averages of rows or columns"

    def window(self, module: Any) -> int:
        """Of a row its own; `rows_ahead` says the same of a column."""
        return 1

    def rows_ahead(self, module: Any, step_in: int, step_out: int) -> int:
        """The whole image, where its one row stands for that."""
        return step_out if module.axis == HEIGHT else 0

    def parts(self, module: Any, *inputs: torch.Tensor) -> int:
        """Pixels of a line."""
        return int(inputs[0].shape[module.axis])


OPERATORS = (LineAveraging(),)
