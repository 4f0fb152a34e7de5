"""Where the images and masks of a data folder are: lists of our own, the public releases, or any folder of pairs.

| layout | how it is known | splits |
| --- | --- | --- |
| listed | ``images/ masks/`` and lists ``<split>.txt``, one name per line | every list |
| pairs | ``images/ masks/`` without any list | train, val: 80/20 |
| BUSI as released | ``benign/ malignant/``, masks ``<image>_mask*.png`` beside the images | train, val: 80/20 |
| ISIC 2016 as released | ``ISBI2016_ISIC_Part1_*_Data`` | train; val: the official test set |
| ISIC 2018 as released | ``ISIC2018_Task1-2_*_Input`` | train, val, test; val from train where its folder is absent |

A text file is a list where it is called train, val or test, or names an image: README.txt is none. A split of 80/20
goes by a hash of the image's name: the same on every machine, and stable when images are added. Which files are images,
and which masks belong to one, is known to ``board.dataset``; several masks of an image are OR-ed in every layout.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from board.dataset import ImageFolder, read_list
from board.errors import InputError
from quant.base.errors import DataError, as_data_error

if TYPE_CHECKING:
    from collections.abc import Iterable

_USUAL_LISTS = ("train", "val", "test")
_VALIDATION_SHARE_PERCENT = 20


@dataclass(frozen=True)
class Pair:
    """One image and the masks that together (OR) are its truth."""

    name: str
    image: Path
    masks: tuple[Path, ...]


@dataclass(frozen=True)
class _Release:
    """Folders of a challenge's release: split -> (images, masks)."""

    name: str
    folders: dict[str, tuple[str, str]]


_RELEASES = (
    _Release(
        "ISIC 2016",
        {
            "train": ("ISBI2016_ISIC_Part1_Training_Data", "ISBI2016_ISIC_Part1_Training_GroundTruth"),
            "val": ("ISBI2016_ISIC_Part1_Test_Data", "ISBI2016_ISIC_Part1_Test_GroundTruth"),
        },
    ),
    _Release(
        "ISIC 2018",
        {
            "train": ("ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"),
            "val": ("ISIC2018_Task1-2_Validation_Input", "ISIC2018_Task1_Validation_GroundTruth"),
            "test": ("ISIC2018_Task1-2_Test_Input", "ISIC2018_Task1_Test_GroundTruth"),
        },
    ),
)


def list_pairs(data_dir: Path, split: str, *, normal_cases: bool = False) -> list[Pair]:
    """Pairs of ``split``, in list order or by name. ``normal_cases`` keeps BUSI's images without a lesion.

    Raises:
        DataError: a folder, list or file is missing, the split is empty, or there are no normal cases to keep.
    """
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        raise DataError(f"data folder '{data_dir}' does not exist; give a folder with images/, masks/ and {split}.txt")
    two_folders = (data_dir / "images").is_dir() and (data_dir / "masks").is_dir()
    if normal_cases and (two_folders or not (data_dir / "normal").is_dir()):
        raise DataError(
            f"--normal-cases adds the folder normal/ of BUSI as released, and '{data_dir}' is of another layout or"
            " without it; leave the option out"
        )
    release = next((r for r in _RELEASES if (data_dir / r.folders["train"][0]).is_dir()), None)
    with as_data_error():
        if two_folders:
            pairs = _of_two_folders(data_dir, split)
        elif (data_dir / "benign").is_dir() and (data_dir / "malignant").is_dir():
            pairs = _busi(data_dir, split, ("benign", "malignant", *(("normal",) if normal_cases else ())))
        elif release is not None:
            pairs = _released(data_dir, split, release)
        else:
            raise DataError(
                f"data folder '{data_dir}' has neither images/ and masks/, nor benign/ and malignant/, nor the folders"
                " of an ISIC release; give one that has"
            )
    if not pairs:
        raise DataError(f"split '{split}' of '{data_dir}' names no image; add ids to its list, or images to the folder")
    return pairs


def find_masks(folder: Path, name: str) -> tuple[Path, ...]:
    """The masks of image ``name``; DataError when there is none."""
    with as_data_error():
        return tuple(map(Path, ImageFolder(folder).masks_of(name)))


def _of_two_folders(data_dir: Path, split: str) -> list[Pair]:
    images, masks = ImageFolder(data_dir / "images"), ImageFolder(data_dir / "masks")
    listing = data_dir / f"{split}.txt"
    if listing.is_file():
        return [_pair(name, images, masks) for name in read_list(listing)]
    if known := [path.stem for path in sorted(data_dir.glob("*.txt")) if _is_list(path, images)]:
        raise DataError(f"'{listing}' does not exist; splits of this folder: {', '.join(known)}")
    return [_pair(name, images, masks) for name in _of_split(images.names(), split)]


def _is_list(path: Path, images: ImageFolder) -> bool:
    if path.name.startswith("."):
        return False
    if path.stem in _USUAL_LISTS:
        return True
    try:
        return any(name in images for name in read_list(path))
    except InputError:  # text of another kind
        return False


def _pair(name: str, images: ImageFolder, masks: ImageFolder) -> Pair:
    return Pair(name, Path(images.find(name)), tuple(map(Path, masks.masks_of(name, images))))


def _busi(data_dir: Path, split: str, kinds: tuple[str, ...]) -> list[Pair]:
    folders = [ImageFolder(data_dir / kind) for kind in sorted(kinds) if (data_dir / kind).is_dir()]
    pairs = []
    for folder in folders:
        for name in _of_split(folder.unmarked_names(), split):
            image = Path(folder.find(name))
            masks = tuple(path for path in map(Path, folder.masks_of(name)) if path != image)
            if not masks:
                raise DataError(f"image '{image}' has no mask '{name}_mask.png' beside it")
            pairs.append(Pair(name, image, masks))
    return pairs


def _released(data_dir: Path, split: str, release: _Release) -> list[Pair]:
    if split not in release.folders:
        raise DataError(f"the {release.name} release has splits {', '.join(release.folders)}, not '{split}'")
    images, masks = (data_dir / folder for folder in release.folders[split])
    whole = not (data_dir / release.folders["val"][0]).is_dir()
    if whole and split in ("train", "val"):
        images, masks = (data_dir / folder for folder in release.folders["train"])
    for folder in (images, masks):
        if not folder.is_dir():
            raise DataError(f"'{folder}' does not exist; unpack that part of the {release.name} release there")
    images, masks = ImageFolder(images), ImageFolder(masks)
    names = _of_split(images.names(), split) if whole else images.names()
    return [_pair(name, images, masks) for name in names]


def _of_split(names: Iterable[str], split: str) -> list[str]:
    """The names of ``split`` by their hashes: a fifth is val, the others are train."""
    if split not in ("train", "val"):
        raise DataError(f"a folder without lists has splits train and val, not '{split}'")
    shares = ((name, int(hashlib.sha256(os.fsencode(name)).hexdigest(), 16) % 100) for name in names)
    return [name for name, share in shares if (share < _VALIDATION_SHARE_PERCENT) == (split == "val")]
