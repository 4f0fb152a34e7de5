"""What the operators of volumes share: tensors (N, C, X, Y, Z), which the torch engine alone computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.nn import functional

from quant.integer.nodes import attribute

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from onnx import NodeProto

SIDES = 3
RANK = 2 + SIDES  # of a tensor


def is_of_volumes(node: NodeProto) -> bool:
    """Whether the window of ``node`` has three sides."""
    return len(numbers(node, "kernel_shape", 0, 0)) == SIDES


def numbers(node: NodeProto, name: str, default: int, count: int = SIDES) -> tuple[int, ...]:
    """An attribute of ``node``; ``count`` times ``default`` where it has none."""
    found: Any = attribute(node, name, [default] * count)
    return tuple(found)


def points(sides: Sequence[int]) -> str:
    """What a tensor of ``sides`` consists of."""
    return "voxels" if len(sides) == SIDES else "pixels"


def triple(value: Any) -> tuple[Any, Any, Any]:
    """X, y and z of a setting that may be one number for all."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value, value)


def padded(x: torch.Tensor, pads: tuple[int, ...], value: float = 0.0) -> torch.Tensor:
    """(N, C, X, Y, Z) with ``pads`` of ONNX around it: before x, y and z, then after them."""
    if not any(pads):
        return x
    outwards = [side for axis in (2, 1, 0) for side in (pads[axis], pads[axis + SIDES])]
    return functional.pad(x, outwards, value=value)
