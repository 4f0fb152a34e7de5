"""Values of a tensor in other places: slices, splits, crops, orders of channels, zeros around, blocks of pixels.

However it is written (``x[:, :k]``, ``torch.chunk``, ``view`` and ``transpose``), it is done to a tensor of numbers,
each the place of a value in the tensor that was read; -1 stands for a zero. What the numbers say becomes one module or
a few.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn

from quant.operators import operators
from quant.operators.channel_order import ChannelOrder
from quant.operators.crop import Crop
from quant.operators.operator import ZERO, called
from quant.operators.space_to_depth import BlocksToChannels

if TYPE_CHECKING:
    from collections.abc import Callable

_RANK = 4
_LEAST_BLOCK = 2


@dataclass(eq=False)
class Moved:
    """Values of ``source`` in other places, by ``numbers`` of any shape; the traced ``node`` makes it.

    ``made``: the node of the result, once something else reads it.
    """

    source: fx.Node
    numbers: torch.Tensor
    node: fx.Node
    made: fx.Node | None = None


def numbers_of(shape: tuple[int, ...]) -> torch.Tensor:
    """A tensor of ``shape`` that holds the place of each of its values."""
    return torch.arange(torch.Size(shape).numel()).reshape(shape)


def _same(x: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return x


_FUNCTIONS = (
    torch.chunk,
    torch.flatten,
    torch.flip,
    torch.index_select,
    torch.movedim,
    torch.narrow,
    torch.permute,
    torch.reshape,
    torch.select,
    torch.split,
    torch.squeeze,
    torch.swapaxes,
    torch.tensor_split,
    torch.transpose,
    torch.unbind,
    torch.unflatten,
    torch.unsqueeze,
    operator.getitem,
)
_METHODS = tuple(function.__name__ for function in _FUNCTIONS[:-1])
_REARRANGEMENTS: dict[Any, Callable[..., Any]] = {
    **{function: function for function in _FUNCTIONS},
    **{name: getattr(torch.Tensor, name) for name in _METHODS},
    "view": torch.Tensor.reshape,
    **dict.fromkeys(("contiguous", "clone", torch.clone), _same),
    **dict.fromkeys((nn.Flatten, nn.Unflatten), called),
}


@cache
def rearrangements() -> dict[Any, Callable[..., Any]]:
    """Each function of torch, name of a method and type of a module that moves values alone -> what it does to numbers;
    of a module (module, *numbers) -> numbers.
    """
    return {**_REARRANGEMENTS, **{name: made for each in operators() for name, made in each.rearranges().items()}}


def modules_that_make(numbers: torch.Tensor, shape: tuple[int, ...]) -> list[nn.Module] | None:
    """What makes of a tensor (1, C, H, W) of ``shape`` one that is rearranged by ``numbers``, one module after another.

    None where they are no image (1, C, H, W), or pixels (1, C), or have no such form. Voxels of a volume stay where
    they are.
    """
    if numbers.dim() == 2:
        numbers = numbers.reshape(*numbers.shape, *[1] * (len(shape) - 2))
    if numbers.shape == shape and torch.equal(numbers.flatten(), numbers_of((numbers.numel(),))):
        return []
    if numbers.dim() != _RANK or len(shape) != _RANK or len(numbers) != 1 or numbers.numel() == 0:
        return None
    found = numbers[0]
    forms = (_padded, _shifted) if bool((found == ZERO).any()) else (_cut, _unshuffled, _shuffled)
    return next((made for form in forms if (made := form(found, shape)) is not None), None)


def _grid(shape: tuple[int, ...], channels: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Numbers of the pixels at ``rows`` and ``columns`` of ``channels``, tensors that spread to one shape."""
    _, _, height, width = shape
    return (channels * height + rows) * width + columns


def _places(numbers: torch.Tensor, shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Channel, row and column of each number."""
    _, _, height, width = shape
    return numbers // (height * width), numbers // width % height, numbers % width


def _in_order(channels: torch.Tensor, count: int) -> list[nn.Module]:
    """``channels`` of ``count``, as a module where that is not all of them as they stand."""
    index = tuple(channels.tolist())
    return [] if index == tuple(range(count)) else [ChannelOrder(index)]


def _range(places: torch.Tensor, size: int) -> tuple[int, int, int]:
    """How many of ``size`` places are left out before and behind those of a slice, and its step."""
    first, last = int(places[0]), int(places[-1])
    step = int(places[1]) - first if len(places) > 1 else 1
    return first, max(0, size - last - max(step, 1)), step


def _cut(numbers: torch.Tensor, shape: tuple[int, ...]) -> list[nn.Module] | None:
    """A slice of rows and columns, the same of each channel, and channels."""
    channels, rows, columns = _places(numbers, shape)
    channels, rows, columns = channels[:, 0, 0], rows[0, :, 0], columns[0, 0, :]
    if not torch.equal(numbers, _grid(shape, channels[:, None, None], rows[:, None], columns)):
        return None
    cuts = [_range(rows, shape[2]), _range(columns, shape[3])]
    for (before, behind, step), places, size in zip(cuts, (rows, columns), shape[2:], strict=True):
        if step < 1 or places.tolist() != list(range(before, size - behind, step)):
            return None
    first, end = int(channels[0]), int(channels[-1]) + 1
    is_range = channels.tolist() == list(range(first, end))
    kept = (first, end) if is_range else (0, shape[1])
    whole = cuts == [(0, 0, 1)] * 2 and kept == (0, shape[1])
    return [*([] if whole else [Crop(kept, *cuts)]), *([] if is_range else _in_order(channels, shape[1]))]


def _unshuffled(numbers: torch.Tensor, shape: tuple[int, ...]) -> list[nn.Module] | None:
    """Pixels of a block as channels, in any order."""
    block = shape[2] // numbers.shape[1]
    if block < _LEAST_BLOCK or shape[2:] != (block * numbers.shape[1], block * numbers.shape[2]):
        return None
    channels, rows, columns = (place[:, :1, :1] for place in _places(numbers, shape))
    down, right = (block * torch.arange(side) for side in numbers.shape[1:])
    if not torch.equal(numbers, _grid(shape, channels, rows + down[:, None], columns + right)):
        return None
    blocks = BlocksToChannels(block)
    return [blocks, *_in_order(((rows * block + columns) * shape[1] + channels).flatten(), block**2 * shape[1])]


def _shuffled(numbers: torch.Tensor, shape: tuple[int, ...]) -> list[nn.Module] | None:
    """Channels of a pixel as a block of pixels, in any order."""
    block = numbers.shape[1] // shape[2]
    if block < _LEAST_BLOCK or tuple(numbers.shape[1:]) != (block * shape[2], block * shape[3]):
        return None
    channels, _, _ = _places(numbers[:, :block, :block], shape)  # of the first pixel
    down, right = (torch.arange(side) // block for side in numbers.shape[1:])
    if not torch.equal(numbers, _grid(shape, channels.repeat(1, *shape[2:]), down[:, None], right)):
        return None
    return [*_in_order(channels.flatten(), shape[1]), nn.PixelShuffle(block)]


def _padded(numbers: torch.Tensor, shape: tuple[int, ...]) -> list[nn.Module] | None:
    """Zeros around what is no other than slices and orders."""
    there = numbers != ZERO
    if not bool(there.any()):
        return None
    sides, around = [], []
    for others, size in zip(((1, 2), (0, 2), (0, 1)), there.shape, strict=True):  # channels, rows, columns
        places = there.any(others[1]).any(others[0]).nonzero().flatten()
        sides.append(slice(int(places[0]), int(places[-1]) + 1))
        around.append((sides[-1].start, size - sides[-1].stop))
    if not bool(there[tuple(sides)].all()):
        return None
    inner = modules_that_make(numbers[tuple(sides)][None], shape)
    if inner is None:
        return None
    channels, rows, columns = around
    return [*inner, nn.ZeroPad3d((*columns, *rows, *channels)) if any(channels) else nn.ZeroPad2d((*columns, *rows))]


def _shifted(numbers: torch.Tensor, shape: tuple[int, ...]) -> list[nn.Module] | None:
    """Each channel moved by pixels of its own, zeros moving in: a depthwise convolution of a single one a filter."""
    size = tuple(shape[2:])
    if tuple(numbers.shape[1:]) != size:
        return None
    flat = numbers.flatten(1)
    at = flat.argmax(1)  # of the last pixel that is there
    channels, rows, columns = _places(flat.gather(1, at[:, None])[:, 0], shape)
    down, right = rows - at // size[1], columns - at % size[1]
    row = torch.arange(size[0])[None, :, None] + down[:, None, None]
    column = torch.arange(size[1])[None, None, :] + right[:, None, None]
    inside = (row >= 0) & (row < size[0]) & (column >= 0) & (column < size[1])
    wanted = torch.where(inside, _grid(shape, channels[:, None, None], row, column), ZERO)
    if bool((flat.amax(1) == ZERO).any()) or not torch.equal(numbers, wanted):
        return None
    reach = int(down.abs().max()), int(right.abs().max())
    kernel, count = tuple(2 * most + 1 for most in reach), len(numbers)
    shift = nn.Conv2d(count, count, kernel, padding=reach, groups=count, bias=False).requires_grad_(False)
    shift.weight.zero_()
    shift.weight[torch.arange(count), 0, reach[0] + down, reach[1] + right] = 1.0
    return [*_in_order(channels, shape[1]), shift]
