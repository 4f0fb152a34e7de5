"""Images of a user, as the accelerator takes them: 8-bit codes (H, W, C) of exactly the network's size; and masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from hw_build.errors import ConfigError

_EIGHT_BIT_MODES = ("L", "RGB", "RGBA", "P")
_MODES = {1: "L", 3: "RGB"}  # channels -> Pillow's mode
_MASK_THRESHOLD = 127  # above it a mask pixel is foreground
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def read_image(path: Path, size: tuple[int, int], channels: int = 3) -> np.ndarray:
    """Codes (H, W, channels) uint8 of the image at ``path``; a grey level is repeated, colours become a grey level.

    Raises:
        ConfigError: missing, no image, not 8-bit, or not of ``size`` (H, W); or ``channels`` are none of an image.
    """
    return to_codes(_of_size(path, size), path, channels)


def read_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Mask (H, W) bool of the image at ``path``: foreground is brighter than half of 255.

    Raises:
        ConfigError: as ``read_image``.
    """
    return np.asarray(_of_size(path, size).convert("L")) > _MASK_THRESHOLD


def to_codes(image: Image.Image, path: Path, channels: int) -> np.ndarray:
    """Codes (H, W, channels) uint8 of an open image that came from ``path``.

    Raises:
        ConfigError: it is not 8-bit, or ``channels`` are none of an image.
    """
    if channels not in _MODES:
        raise ConfigError(f"the network takes {channels} channels, and an image has 1 or 3; give it codes, not images")
    if image.mode not in _EIGHT_BIT_MODES:
        raise ConfigError(f"image '{path}' is not 8-bit (Pillow mode {image.mode}); convert it to 8-bit grey or RGB")
    codes = np.asarray(image.convert(_MODES[channels]))
    return codes.reshape(*codes.shape[:2], channels)


def open_image(path: Path) -> Image.Image:
    """The image at ``path``, loaded.

    Raises:
        ConfigError: it is missing, or no image.
    """
    if not path.is_file():
        raise ConfigError(f"image '{path}' does not exist; check the path")
    try:
        image = Image.open(path)
        image.load()
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise ConfigError(f"image '{path}' cannot be read ({error}); replace the file") from None
    return image


def _of_size(path: Path, size: tuple[int, int]) -> Image.Image:
    image = open_image(path)
    if image.size != (size[1], size[0]):
        raise ConfigError(
            f"image '{path}' is {image.size[1]}x{image.size[0]} (height x width), "
            f"the network takes {size[0]}x{size[1]}; resize it"
        )
    return image


def in_colour(codes: np.ndarray) -> np.ndarray:
    """Codes (H, W, 1 or 3) -> (H, W, 3)."""
    return np.broadcast_to(codes, (*codes.shape[:2], 3))


def overlap(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two masks (H, W); 1.0 when both are empty."""
    union = np.count_nonzero(prediction | truth)
    return float(np.count_nonzero(prediction & truth) / union) if union else 1.0
