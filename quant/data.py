"""Image and mask pairs from a folder, resized once when read, kept as uint8 codes.

The network's input is x = code / 256: no mean and no deviation, so that zero padding is the code 0.
Images are resized bilinearly and masks by nearest neighbour (Pillow), only where their size differs.
Grey images are repeated to three channels.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from quant.errors import DataError

_EIGHT_BIT_MODES = {"L", "RGB", "P", "1", "RGBA", "LA"}
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
_VALIDATION_SHARE_PERCENT = 20


@dataclass(frozen=True)
class Pair:
    """One image and the masks that together (OR) are its truth."""

    name: str
    image: Path
    masks: tuple[Path, ...]


@dataclass(frozen=True)
class Samples:
    """A split in memory: ``codes`` (N, 3, H, W) uint8, ``masks`` (N, 1, H, W) bool, ``names`` in list order."""

    names: tuple[str, ...]
    codes: torch.Tensor
    masks: torch.Tensor

    def __len__(self) -> int:
        return len(self.names)


def list_pairs(data_dir: Path, split: str) -> list[Pair]:
    """Pairs of ``split`` in list order.

    ``data_dir`` holds ``images/ masks/ <split>.txt``, or is the released ``Dataset_BUSI_with_GT`` (folders ``benign``
    and ``malignant``, masks beside the images). The release has no lists: its images are split 80/20 by a hash of
    their names, the same on every machine.

    Raises:
        DataError: a folder, list or file is missing, or the split is empty.
    """
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        raise DataError(f"data folder '{data_dir}' does not exist; give a folder with images/, masks/ and {split}.txt")
    if (data_dir / "images").is_dir() and (data_dir / "masks").is_dir():
        pairs = _listed_pairs(data_dir, split)
    elif (data_dir / "benign").is_dir() and (data_dir / "malignant").is_dir():
        pairs = _released_busi_pairs(data_dir, split)
    else:
        raise DataError(
            f"data folder '{data_dir}' has neither images/ and masks/ nor benign/ and malignant/; give one that has"
        )
    if not pairs:
        raise DataError(f"split '{split}' of '{data_dir}' names no image; add ids to its list")
    return pairs


def _listed_pairs(data_dir: Path, split: str) -> list[Pair]:
    listing = data_dir / f"{split}.txt"
    if not listing.is_file():
        known = ", ".join(sorted(path.stem for path in data_dir.glob("*.txt"))) or "none"
        raise DataError(f"'{listing}' does not exist; splits of this folder: {known}")
    pairs = []
    for name in listing.read_text(encoding="utf-8").splitlines():
        name = name.strip()
        if name:
            pairs.append(Pair(name, _find(data_dir / "images", name), (_find(data_dir / "masks", name),)))
    return pairs


def _find(folder: Path, name: str) -> Path:
    for suffix in _IMAGE_SUFFIXES:
        if (path := folder / f"{name}{suffix}").is_file():
            return path
    raise DataError(f"no image '{name}' with one of {', '.join(_IMAGE_SUFFIXES)} in '{folder}'; check the list")


def _released_busi_pairs(data_dir: Path, split: str) -> list[Pair]:
    if split not in ("train", "val"):
        raise DataError(f"the released BUSI folder has splits train and val, not '{split}'")
    pairs = []
    for image in sorted(path for kind in ("benign", "malignant") for path in (data_dir / kind).glob("*.png")):
        if "_mask" in image.stem:
            continue
        masks = tuple(sorted(image.parent.glob(f"{image.stem}_mask*.png")))
        if not masks:
            raise DataError(f"image '{image}' has no mask '{image.stem}_mask.png' beside it")
        share = int(hashlib.sha256(image.stem.encode()).hexdigest(), 16) % 100
        if (share < _VALIDATION_SHARE_PERCENT) == (split == "val"):
            pairs.append(Pair(image.stem, image, masks))
    return pairs


def read_codes(path: Path, size: tuple[int, int] | None) -> np.ndarray:
    """An 8-bit image as codes (H, W, 3) uint8, resized to ``size`` (H, W) unless that is None.

    Raises:
        DataError: missing, not an image, or not 8-bit.
    """
    image = _open(path)
    if image.mode not in _EIGHT_BIT_MODES:
        raise DataError(f"image '{path}' is not 8-bit (Pillow mode {image.mode}); convert it to 8-bit grey or RGB")
    image = image.convert("RGB")
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image)


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


def _open(path: Path) -> Image.Image:
    try:
        image = Image.open(path)
        image.load()
    except FileNotFoundError:
        raise DataError(f"image '{path}' does not exist; check the path") from None
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(f"image '{path}' cannot be read ({error}); replace the file") from None
    return image


def load_samples(data_dir: Path, split: str, size: tuple[int, int]) -> Samples:
    """Reads a whole split at ``size`` (H, W) into memory."""
    pairs = list_pairs(data_dir, split)
    codes = np.stack([read_codes(pair.image, size) for pair in pairs])  # (N, H, W, 3)
    masks = np.stack([read_mask(pair.masks, size) for pair in pairs])  # (N, H, W)
    return Samples(
        names=tuple(pair.name for pair in pairs),
        codes=torch.from_numpy(codes).permute(0, 3, 1, 2).contiguous(),  # (N, H, W, 3) -> (N, 3, H, W)
        masks=torch.from_numpy(masks)[:, None],  # (N, H, W) -> (N, 1, H, W)
    )


def to_input(codes: torch.Tensor) -> torch.Tensor:
    """uint8 codes -> the network's float input x = code / 256."""
    return codes.to(torch.float32) / 256.0
