"""Image and mask pairs from a folder, resized once when read, kept as uint8 codes.

The network's input is x = code / 256: no mean and no deviation, so that zero padding is the code 0.
Images are resized bilinearly and masks by nearest neighbour (Pillow), only where their size differs.
A network of one channel sees them in grey, one of three in colour (grey repeated), one of four with alpha.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from quant.errors import DataError
from quant.layouts import Pair, list_pairs

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # of Pillow, by channels of the network
_EIGHT_BIT_MODES = {"L", "RGB", "P", "1", "RGBA", "LA"}


@dataclass(frozen=True)
class Samples:
    """A split in memory: ``codes`` (N, C, H, W) uint8, ``names`` in list order, and ``masks`` (N, 1, H, W): bool, or
    uint8 class indices where there are several classes."""

    names: tuple[str, ...]
    codes: torch.Tensor
    masks: torch.Tensor

    def __len__(self) -> int:
        return len(self.names)


def read_codes(path: Path, size: tuple[int, int] | None, channels: int = 3) -> np.ndarray:
    """An 8-bit image as codes (H, W, channels) uint8, resized to ``size`` (H, W) unless that is None.

    Raises:
        DataError: missing, not an image, or not 8-bit.
    """
    image = _open(path)
    if image.mode not in _EIGHT_BIT_MODES:
        raise DataError(f"image '{path}' is not 8-bit (Pillow mode {image.mode}); convert it to 8-bit grey or RGB")
    if channels not in _MODES:
        raise DataError(
            f"images have 1, 3 or 4 channels, the network takes {channels}; give it one of these in_channels"
        )
    image = image.convert(_MODES[channels])
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(image.height, image.width, channels)


def read_mask(paths: tuple[Path, ...], size: tuple[int, int] | None) -> np.ndarray:
    """The OR of ``paths`` as (H, W) bool: a pixel is foreground where any mask is above half of 255."""
    merged = None
    for path in paths:
        mask = _open(path).convert("L")
        if size is not None and mask.size != (size[1], size[0]):
            mask = mask.resize((size[1], size[0]), Image.Resampling.NEAREST)
        foreground = np.asarray(mask) > 127
        merged = foreground if merged is None else merged | foreground
    return merged


def read_labels(path: Path, size: tuple[int, int] | None, classes: int) -> np.ndarray:
    """Class indices (H, W) uint8 of a grey or palette image whose values are the indices.

    Raises:
        DataError: missing, not an image, of another kind, or with an index that is no class.
    """
    image = _open(path)
    if image.mode not in ("L", "P"):
        raise DataError(
            f"mask '{path}' has Pillow mode {image.mode}; class indices are a grey (L) or palette (P) image"
        )
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.NEAREST)
    labels = np.asarray(image)
    if labels.max() >= classes:
        raise DataError(f"mask '{path}' holds index {labels.max()}, but classes are 0 to {classes - 1}; see --classes")
    return labels


def _truth(pair: Pair, size: tuple[int, int] | None, classes: int) -> np.ndarray:
    if classes == 1:
        return read_mask(pair.masks, size)
    if len(pair.masks) > 1:
        raise DataError(f"image '{pair.image}' has {len(pair.masks)} masks; with classes it has one, of class indices")
    return read_labels(pair.masks[0], size, classes)


def read_truths(pairs: Sequence[Pair], size: tuple[int, int] | None, classes: int = 1) -> np.ndarray:
    """Truth of ``pairs`` (N, H, W): bool masks, or uint8 class indices where there are several classes."""
    return np.stack([_truth(pair, size, classes) for pair in pairs])


def _open(path: Path) -> Image.Image:
    try:
        image = Image.open(path)
        image.load()
    except FileNotFoundError:
        raise DataError(f"image '{path}' does not exist; check the path") from None
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(f"image '{path}' cannot be read ({error}); replace the file") from None
    return image


def load_samples(
    data_dir: Path,
    split: str,
    size: tuple[int, int],
    *,
    normal_cases: bool = False,
    classes: int = 1,
    channels: int = 3,
) -> Samples:
    """Reads a whole split at ``size`` (H, W) into memory, for a network that takes ``channels``.

    See ``layouts.py`` for splits and ``normal_cases``.
    """
    pairs = list_pairs(data_dir, split, normal_cases=normal_cases)
    codes = np.stack([read_codes(pair.image, size, channels) for pair in pairs])  # (N, H, W, C)
    masks = read_truths(pairs, size, classes)  # (N, H, W)
    return Samples(
        names=tuple(pair.name for pair in pairs),
        codes=to_planes(codes),
        masks=torch.from_numpy(masks)[:, None],  # (N, H, W) -> (N, 1, H, W)
    )


def to_planes(codes: np.ndarray) -> torch.Tensor:
    """Codes (N, H, W, C) uint8 -> (N, C, H, W), in memory of their own order."""
    return torch.from_numpy(codes).permute(0, 3, 1, 2).contiguous()


def to_input(codes: torch.Tensor) -> torch.Tensor:
    """uint8 codes -> the network's float input x = code / 256."""
    return codes.to(torch.float32) / 256.0
