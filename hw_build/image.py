"""Images of a user, as the accelerator takes them: 8-bit codes (H, W, 3) of exactly the network's size; and masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from hw_build.errors import ConfigError

_EIGHT_BIT_MODES = ("L", "RGB", "RGBA", "P")
_MASK_THRESHOLD = 127  # above it a mask pixel is foreground


def read_image(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Codes (H, W, 3) uint8 of the image at ``path``; a grey level is repeated three times.

    Raises:
        ConfigError: missing, no image, not 8-bit, or not of ``size`` (H, W).
    """
    image = _open(path, size)
    if image.mode not in _EIGHT_BIT_MODES:
        raise ConfigError(f"image '{path}' is not 8-bit (Pillow mode {image.mode}); convert it to 8-bit grey or RGB")
    return np.asarray(image.convert("RGB"))


def read_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Mask (H, W) bool of the image at ``path``: foreground is brighter than half of 255.

    Raises:
        ConfigError: as ``read_image``.
    """
    return np.asarray(_open(path, size).convert("L")) > _MASK_THRESHOLD


def _open(path: Path, size: tuple[int, int]) -> Image.Image:
    if not path.is_file():
        raise ConfigError(f"image '{path}' does not exist; check the path")
    try:
        image = Image.open(path)
        image.load()
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise ConfigError(f"image '{path}' cannot be read ({error}); replace the file") from None
    if image.size != (size[1], size[0]):
        raise ConfigError(
            f"image '{path}' is {image.size[1]}x{image.size[0]} (height x width), "
            f"the network takes {size[0]}x{size[1]}; resize it"
        )
    return image


def overlap(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two masks (H, W); 1.0 when both are empty."""
    union = np.count_nonzero(prediction | truth)
    return float(np.count_nonzero(prediction & truth) / union) if union else 1.0
