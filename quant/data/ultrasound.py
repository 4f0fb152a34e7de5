"""What changes an ultrasound image from one acquisition to the next: speckle, gain over depth, shadows, and pressure.

Rows are depth, so images come as they were read, not turned. All is drawn from torch's global generator of the CPU,
image by image, and each change is made to a share of the images. Images are (B, C, H, W) in [0, 1]; every channel of
one gets the same.
"""

from __future__ import annotations

import torch
from torch.nn import functional

_SPECKLE, _SPECKLE_SHARE = (0.03, 0.15), 0.5  # deviation of the factor
_GAIN, _GAIN_SHARE, _GAIN_KNOTS = 0.35, 0.5, 5  # most, as a logarithm
_SHADOW, _SHADOW_SHARE = (0.3, 0.8), 0.25  # what it takes off
_SHADOW_WIDTH, _SHADOW_TOP, _SHADOW_EDGE = (0.05, 0.15), (0.2, 0.7), 0.05  # in shares of the image
_BEND, _BEND_SHARE, _BEND_KNOTS = 0.06, 0.5, 5  # most, in shares of the half image


def acquired_anew(images: torch.Tensor) -> torch.Tensor:
    """``images`` times speckle, a smooth gain over the rows and, below a place, the shadow of what lies above it."""
    count, _, height, width = images.shape
    speckle = torch.randn(count, 1, height, width) * _uniform(count, _SPECKLE)
    gain = _smooth(_GAIN * (2 * torch.rand(count, 1, _GAIN_KNOTS, 1) - 1), (height, 1))
    rows, columns = _places(height)[:, None], _places(width)
    across = (columns - _uniform(count, (0.0, 1.0))) / _uniform(count, _SHADOW_WIDTH)
    below = torch.sigmoid((rows - _uniform(count, _SHADOW_TOP)) / _SHADOW_EDGE)
    shadow = _uniform(count, _SHADOW) * torch.exp(-(across**2)) * below
    factor = (1 + _chosen(count, _SPECKLE_SHARE) * speckle) * torch.exp(_chosen(count, _GAIN_SHARE) * gain)
    return images * (factor * (1 - _chosen(count, _SHADOW_SHARE) * shadow)).to(images.device)


def bent(images: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``images`` and float ``masks`` (B, any channels, H, W) deformed gently and together, masks by nearest neighbour.

    The displacement is a cubic surface through a few points, up to 3% of the image; the border's pixels are repeated.
    """
    count, size = len(images), (images.shape[2], images.shape[3])
    moves = _BEND * (2 * torch.rand(count, 2, _BEND_KNOTS, _BEND_KNOTS) - 1) * _chosen(count, _BEND_SHARE)
    here = functional.affine_grid(torch.eye(2, 3).expand(count, 2, 3), [count, 1, *size], align_corners=False)
    there = (here + _smooth(moves, size).permute(0, 2, 3, 1)).to(images.device)  # (B, H, W, 2)
    return (
        functional.grid_sample(images, there, mode="bilinear", padding_mode="border", align_corners=False),
        functional.grid_sample(masks, there, mode="nearest", padding_mode="border", align_corners=False),
    )


def _uniform(count: int, between: tuple[float, float]) -> torch.Tensor:
    """(B, 1, 1, 1)."""
    low, high = between
    return low + (high - low) * torch.rand(count, 1, 1, 1)


def _chosen(count: int, share: float) -> torch.Tensor:
    """(B, 1, 1, 1): 1 with probability ``share``, else 0."""
    return (torch.rand(count, 1, 1, 1) < share).float()


def _smooth(knots: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Cubic between ``knots`` (B, C, h, w), which lie over an image of ``size``: (B, C, H, W)."""
    return functional.interpolate(knots, size=size, mode="bicubic", align_corners=True)


def _places(length: int) -> torch.Tensor:
    """Middles of pixels in shares of the image."""
    return (torch.arange(length) + 0.5) / length
