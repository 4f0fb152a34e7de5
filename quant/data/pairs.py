"""Image and mask pairs from a folder, resized once when read, kept as uint8 codes.

The network's input is x = code / 256: no mean and no deviation, so that zero padding is the code 0.
Images are resized bilinearly and masks by nearest neighbour (Pillow), only where their size differs.
A network of one channel sees them in grey, one of three in colour (grey repeated), one of four with alpha; those of any
other number are arrays (``.npy``), such as the slices of a volume. What a file holds is known to ``board.image_files``
and ``board.mask_files``, so that board and training agree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from board.image_files import as_codes, is_array, read_array, read_image, resize_array
from board.mask_files import read_labels, read_mask, resize_nearest
from quant.base.digests import digest_of
from quant.base.errors import DataError, as_data_error
from quant.base.note import note
from quant.data.layouts import Pair, list_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MAX_PIXELS = 1 << 27  # of a file: 134 million, 400 MB as RGB


@dataclass(frozen=True)
class Samples:
    """A split in memory: ``codes`` (N, C, H, W) uint8, ``names`` in list order, and ``masks`` (N, 1, H, W): bool, or
    uint8 class indices where there are several classes.

    ``soft`` (N, classes but the background, H, W) float16: probabilities that a teacher gave beforehand, or None.
    ``digests``: of the images' files (``quant.base.seen_images``), or None where there are none.
    """

    names: tuple[str, ...]
    codes: torch.Tensor
    masks: torch.Tensor
    soft: torch.Tensor | None = None
    digests: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, indices: Sequence[int]) -> Samples:
        """The samples at ``indices``, in their order."""
        chosen = torch.as_tensor(indices, dtype=torch.long)
        names = tuple(self.names[index] for index in indices)
        digests = None if self.digests is None else tuple(self.digests[index] for index in indices)
        return replace(self.each(lambda planes: planes[chosen]), names=names, digests=digests)

    def to(self, device: torch.device | str) -> Samples:
        """The same in the memory of ``device``."""
        return self.each(lambda planes: planes.to(device))

    def each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Samples:
        """The same names, with what ``change`` makes of codes, masks and soft targets, (N, ...) each."""
        soft = None if self.soft is None else change(self.soft)
        return replace(self, codes=change(self.codes), masks=change(self.masks), soft=soft)

    @staticmethod
    def joined(parts: Sequence[Samples]) -> Samples:
        """One after the other, without soft targets; with digests where all have them."""
        known = [part.digests for part in parts if part.digests is not None]
        return Samples(
            tuple(name for part in parts for name in part.names),
            torch.cat([part.codes for part in parts]),
            torch.cat([part.masks for part in parts]),
            digests=tuple(digest for digests in known for digest in digests) if len(known) == len(parts) else None,
        )


def read_codes(path: Path, size: tuple[int, int] | None, channels: int = 3) -> np.ndarray:
    """An 8-bit image as codes (H, W, channels) uint8, upright, resized to ``size`` (H, W) unless that is None.

    Raises:
        DataError: missing, not an image, or not 8-bit.
    """
    with as_data_error():
        return _read(path, size, channels)[0]


def read_pair(
    pair: Pair, size: tuple[int, int] | None, classes: int = 1, channels: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Codes as ``read_codes`` and truth (H, W) of ``pair``: bool, or uint8 class indices of several classes.

    Raises:
        DataError: as ``read_codes``, or masks that are not of the image's size, or do not say what is foreground.
    """
    codes, truth = _read_pair(pair, size, classes, channels)
    return codes, truth if size is None else resize_nearest(truth, size)


def _read_pair(pair: Pair, size: tuple[int, int] | None, classes: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """As ``read_pair``, the truth as large as in its file."""
    with as_data_error():
        codes, file_size = _read(pair.image, size, channels)
        if classes == 1:
            truth = read_mask(pair.masks, file_size, MAX_PIXELS)
        elif len(pair.masks) == 1:
            truth = read_labels(pair.masks[0], file_size, classes, MAX_PIXELS)
        else:
            raise DataError(
                f"image '{pair.image}' has {len(pair.masks)} masks; with classes it has one, of class indices"
            )
        return codes, truth


def require_foreground(samples: Samples, data_dir: Path, split: str) -> None:
    """Raises DataError where no mask of a split has a foreground pixel: nothing can be learned from it, or scored."""
    if not bool((samples.masks > 0).any()):
        raise DataError(
            f"none of the {len(samples)} masks of split '{split}' of '{data_dir}' has any foreground; give masks whose"
            " foreground is not 0"
        )


def _read(path: Path, size: tuple[int, int] | None, channels: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Codes (H, W, channels) of an image or an array, and (H, W) of its file."""
    if is_array(path):
        codes = read_array(path, channels, MAX_PIXELS)
        file_size = (codes.shape[0], codes.shape[1])
        return codes if size in (None, file_size) else resize_array(codes, size), file_size
    image = read_image(path, channels, MAX_PIXELS)
    file_size = (image.height, image.width)
    if size not in (None, file_size):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return as_codes(image), file_size


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
    codes, masks, lost = [], [], []
    for pair in pairs:
        image, truth = _read_pair(pair, size, classes, channels)
        mask = resize_nearest(truth, size)
        if _present(truth) != _present(mask):
            lost.append(pair.name)
        codes.append(image)
        masks.append(mask)
    if lost:
        what = "the masks" if classes == 1 else "a class in the masks"
        note(
            f"nothing is left of {what} of {len(lost)} of the {len(pairs)} images of split '{split}', such as"
            f" '{lost[0]}', at {size[0]}x{size[1]}: they count as images without it; a larger size keeps more"
        )
    return Samples(
        names=tuple(pair.name for pair in pairs),
        codes=to_planes(np.stack(codes)),  # (N, H, W, C) -> (N, C, H, W)
        masks=torch.from_numpy(np.stack(masks))[:, None],  # (N, H, W) -> (N, 1, H, W)
        digests=tuple(digest_of(pair.image) for pair in pairs),
    )


def _present(truth: np.ndarray) -> frozenset[int]:
    """The classes but the background in ``truth``, bool or class indices (H, W)."""
    if truth.dtype == bool:
        return frozenset([1] if truth.any() else [])
    return frozenset(np.flatnonzero(np.bincount(truth.ravel())).tolist()) - {0}


def to_planes(codes: np.ndarray) -> torch.Tensor:
    """Codes (N, H, W, C) uint8 -> (N, C, H, W), in memory of their own order."""
    return torch.from_numpy(codes).permute(0, 3, 1, 2).contiguous()


def to_input(codes: torch.Tensor) -> torch.Tensor:
    """uint8 codes -> the network's float input x = code / 256."""
    return codes.to(torch.float32) / 256.0
