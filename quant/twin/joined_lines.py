"""Lines of pixels, joined to one: coordinate attention joins the averages of rows and of columns before a convolution.

What works on each pixel alone, between joining and splitting, is done to each line by itself, and a column stays a
column: no kernel need join or transpose them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from quant.operators import operator_of
from quant.operators.filters import is_filters
from quant.operators.operator import refuse
from quant.operators.rearrangement import Moved, numbers_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import fx

_HEIGHT, _WIDTH = 2, 3
_JOINS = (torch.cat, torch.concat, torch.concatenate)
_NEGATIVE = {-2: _HEIGHT, -1: _WIDTH}


@dataclass(eq=False)
class JoinedLines:
    """``lines``, nodes of (1, C, n, 1) or (1, C, 1, n), one behind the other along ``dim`` of (1, C, n, 1) or (1, C, 1,
    n).
    """

    lines: tuple[fx.Node, ...]
    dim: int

    def shape(self) -> tuple[int, ...]:
        """Of all."""
        channels = self.lines[0].meta["shape"][1]
        length = sum(map(_length, self.lines))
        return (1, channels, length, 1) if self.dim == _HEIGHT else (1, channels, 1, length)


def _length(line: fx.Node) -> int:
    return max(line.meta["shape"][2:])


def _line(value: Any) -> fx.Node | None:
    """The node whose pixels ``value`` holds, in the same order; None where it is no line."""
    source = value.source if isinstance(value, Moved) else value
    shape = source.meta["shape"]
    if min(shape[2:]) != 1:
        return None
    numbers = value.numbers if isinstance(value, Moved) else numbers_of(shape)
    return source if torch.equal(numbers.flatten(), numbers_of(shape).flatten()) else None


def joined(node: fx.Node, values: Sequence[Any], shape: Sequence[int]) -> JoinedLines | None:
    """What the traced ``node``, which gives ``shape``, makes of ``values``; None where it joins no lines."""
    if node.target not in _JOINS or len(shape) != 4 or min(shape[2:]) != 1:
        return None
    dim: Any = node.kwargs.get("dim", node.kwargs.get("axis", node.args[1] if len(node.args) > 1 else 0))
    dim = _NEGATIVE.get(dim, dim)
    lines = tuple(line for line in map(_line, values) if line is not None)
    if dim not in (_HEIGHT, _WIDTH) or shape[5 - dim] != 1 or len(lines) < len(values):
        return None
    return JoinedLines(lines, dim)


def parts(lines: JoinedLines, moved: Any, node: fx.Node) -> Any:
    """``lines``, of which values were moved by the traced ``node`` to those of ``moved``: a line, all, or several.

    Raises:
        Unsupported: they are parts of lines, or in another order.
    """
    if isinstance(moved, (tuple, list)):
        return tuple(parts(lines, each, node) for each in moved)
    numbers = numbers_of(lines.shape())
    if moved.numel() == numbers.numel() and torch.equal(moved.flatten(), numbers.flatten()):
        squeezed = moved.dim() == 4 and moved.shape[2] == 1
        return JoinedLines(lines.lines, _WIDTH if squeezed else _HEIGHT)
    first = 0
    for line in lines.lines:
        own = numbers.narrow(lines.dim, first, _length(line))
        if moved.numel() == own.numel() and torch.equal(moved.flatten(), own.flatten()):
            return Moved(line, numbers_of(line.meta["shape"]).reshape(moved.shape), node)
        first += _length(line)
    return refuse("takes a part of joined lines that is not one of them; split them as they were joined")


def require_pointwise(module: nn.Module | None, before: Sequence[int], after: Sequence[int]) -> None:
    """Unsupported where ``module`` (None: a function), which makes ``after`` of lines ``before``, mixes pixels."""
    kernel = getattr(module, "kernel_size", 1)
    of_one = all(side == 1 for side in kernel) if isinstance(kernel, tuple) else kernel == 1
    alone = module is None or is_filters(module) or operator_of(module) is None
    if not (of_one and alone) or tuple(before[2:]) != tuple(after[2:]):
        refuse(
            "mixes pixels of lines that are joined; until they are split again, 1x1 convolutions, BNs, activations and"
            " arithmetic lower"
        )
