"""Images of a user, as the accelerator takes them: 8-bit codes (H, W, C) of exactly the network's size; and masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from board import image_files, mask_files
from board.dataset import SUFFIXES, ImageFolder
from board.errors import InputError
from hw_build.base.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def read_image(path: Path, size: tuple[int, int], channels: int = 3) -> np.ndarray:
    """Codes (H, W, channels) uint8 of the image at ``path``, as ``board.image_files`` reads it.

    Raises:
        ConfigError: missing, no image, not 8-bit, or not of ``size`` (H, W); or ``channels`` are none of an image.
    """
    try:
        return _of_size(_read(str(path), channels), path, size)
    except InputError as error:
        raise ConfigError(str(error)) from error


def read_mask(path: Path, size: tuple[int, int], classes: int = 1) -> np.ndarray:
    """Mask (H, W) of the image at ``path``, by the rules of ``board.mask_files``: bool, or uint8 indices of classes.

    Raises:
        ConfigError: as ``read_image``, or of values that do not say what is foreground.
    """
    try:
        if classes > 1:
            return mask_files.read_labels(path, size, classes)
        return _of_size(mask_files.read_mask((path,)), path, size)
    except InputError as error:
        raise ConfigError(str(error)) from error


def read_folder(folder: Path, count: int, size: tuple[int, int], channels: int) -> dict[str, np.ndarray]:
    """Codes (H, W, channels) uint8 of the first ``count`` images of ``folder``, resized to ``size`` (H, W), by name.

    Raises:
        ConfigError: there is no such folder, it holds fewer images, or one cannot be read.
    """
    try:
        images = ImageFolder(str(folder))
        names = images.unmarked_names()[:count]
        if len(names) < count:
            raise ConfigError(
                f"'{folder}' holds {len(names)} images ({', '.join(SUFFIXES)}), --count asks for {count}; "
                "add images, or ask for fewer"
            )
        return {name: _read(images.find(name), channels, size) for name in names}
    except InputError as error:
        raise ConfigError(str(error)) from error


def _read(path: str, channels: int, size: tuple[int, int] | None = None) -> np.ndarray:
    """Codes (H, W, channels) uint8 of an image or an array, resized where there is a ``size``; InputError."""
    if image_files.is_array(path):
        codes = image_files.read_array(path, channels)
        return codes if size is None else image_files.resize_array(codes, size)
    image = image_files.read_image(path, channels)
    return image_files.as_codes(image if size is None else image.resize(size[::-1], Image.Resampling.BILINEAR))


def _of_size(pixels: np.ndarray, path: Path, size: tuple[int, int]) -> np.ndarray:
    if pixels.shape[:2] != tuple(size):
        raise ConfigError(
            f"image '{path}' is {pixels.shape[0]}x{pixels.shape[1]} (height x width), "
            f"the network takes {size[0]}x{size[1]}; resize it"
        )
    return pixels


def overlap(prediction: np.ndarray, truth: np.ndarray, classes: int = 1) -> float:
    """Intersection over union of two masks (H, W), 1.0 when both are empty; of classes the mean over all but 0."""
    if classes > 1:
        return float(np.mean([overlap(prediction == index, truth == index) for index in range(1, classes)]))
    union = np.count_nonzero(prediction | truth)
    return float(np.count_nonzero(prediction & truth) / union) if union else 1.0
