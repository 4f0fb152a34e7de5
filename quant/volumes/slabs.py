"""2.5D: 2k+1 neighbouring slices as the channels of an image network, the edge slices repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from board.io_spec import MAX_CHANNELS
from quant.base.errors import ConfigError

if TYPE_CHECKING:
    import torch


def require_slices(slices: int) -> None:
    """ConfigError unless ``slices`` is odd, 2k+1: k below and k above the one that is segmented, as a board takes."""
    if slices < 1 or slices % 2 == 0:
        raise ConfigError(f"--slices must be odd (1, 3, 5, ...), got {slices}")
    if slices > MAX_CHANNELS:
        raise ConfigError(f"--slices are channels, of which a board takes {MAX_CHANNELS}, got {slices}; give fewer")


def extended(volume: torch.Tensor, slices: int) -> torch.Tensor:
    """(C, X, Y, Z) -> (C, X, Y, Z + slices - 1): k times the first slice below, k times the last above."""
    k = slices // 2
    repeated = functional.pad(volume[None].float(), (k, k, 0, 0, 0, 0), mode="replicate")[0]
    return repeated.to(volume.dtype)


def slabs(volume: torch.Tensor, slices: int) -> torch.Tensor:
    """(C, X, Y, Z) -> (Z, C * slices, Y, X): of each slice its neighbours from below to above, channel by channel."""
    windows = extended(volume, slices).unfold(3, slices, 1)  # (C, X, Y, Z, slices)
    return windows.permute(3, 0, 4, 2, 1).flatten(1, 2)  # (Z, C, slices, Y, X) -> (Z, C * slices, Y, X)


def slab_of_patch(patch: torch.Tensor) -> torch.Tensor:
    """A patch (C, X, Y, slices) -> (C * slices, Y, X), the channels as ``slabs`` has them."""
    return patch.permute(0, 3, 2, 1).flatten(0, 1)


def stacked(planes: torch.Tensor) -> torch.Tensor:
    """Results (Z, N, Y, X) of all slices -> (N, X, Y, Z)."""
    return planes.permute(1, 3, 2, 0)
