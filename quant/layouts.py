"""Where the images and masks of a data folder are: lists of our own, the public releases, or any folder of pairs.

| layout | how it is known | splits |
| --- | --- | --- |
| listed | ``images/ masks/`` and ``<split>.txt``, one name a line | every list |
| pairs | ``images/ masks/`` without any list | train, val: 80/20 |
| BUSI as released | ``benign/ malignant/``, masks ``<image>_mask*.png`` beside the images | train, val: 80/20 |
| ISIC 2016 as released | ``ISBI2016_ISIC_Part1_*_Data`` | train; val: the official test set |
| ISIC 2018 as released | ``ISIC2018_Task1-2_*_Input`` | train, val, test; val from train where its folder is absent |

A split of 80/20 goes by a hash of the image's name: the same on every machine, and stable when images are added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from quant.errors import DataError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
_MASK_ENDINGS = ("", "_mask", "_segmentation", "_Segmentation")
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
        DataError: a folder, list or file is missing, or the split is empty.
    """
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        raise DataError(f"data folder '{data_dir}' does not exist; give a folder with images/, masks/ and {split}.txt")
    release = next((r for r in _RELEASES if (data_dir / r.folders["train"][0]).is_dir()), None)
    if (data_dir / "images").is_dir() and (data_dir / "masks").is_dir():
        pairs = _listed(data_dir, split) if any(data_dir.glob("*.txt")) else _unlisted(data_dir, split)
    elif (data_dir / "benign").is_dir() and (data_dir / "malignant").is_dir():
        pairs = _busi(data_dir, split, ("benign", "malignant", *(("normal",) if normal_cases else ())))
    elif release is not None:
        pairs = _released(data_dir, split, release)
    else:
        raise DataError(
            f"data folder '{data_dir}' has neither images/ and masks/, nor benign/ and malignant/, nor the folders of"
            " an ISIC release; give one that has"
        )
    if not pairs:
        raise DataError(f"split '{split}' of '{data_dir}' names no image; add ids to its list, or images to the folder")
    return pairs


def find_mask(folder: Path, name: str) -> Path:
    """The mask of image ``name``: its name, which may end in _mask or _segmentation. DataError when there is none."""
    return _find(folder, name, _MASK_ENDINGS)


def _listed(data_dir: Path, split: str) -> list[Pair]:
    listing = data_dir / f"{split}.txt"
    if not listing.is_file():
        known = ", ".join(sorted(path.stem for path in data_dir.glob("*.txt")))
        raise DataError(f"'{listing}' does not exist; splits of this folder: {known}")
    names = (line.strip() for line in listing.read_text(encoding="utf-8").splitlines())
    return [
        Pair(name, _find(data_dir / "images", name), (find_mask(data_dir / "masks", name),)) for name in names if name
    ]


def _unlisted(data_dir: Path, split: str) -> list[Pair]:
    images = _of_split(_images(data_dir / "images"), split)
    return [Pair(image.stem, image, (find_mask(data_dir / "masks", image.stem),)) for image in images]


def _busi(data_dir: Path, split: str, kinds: tuple[str, ...]) -> list[Pair]:
    images = sorted(path for kind in kinds for path in (data_dir / kind).glob("*.png") if "_mask" not in path.stem)
    pairs = []
    for image in _of_split(images, split):
        masks = tuple(sorted(image.parent.glob(f"{image.stem}_mask*.png")))
        if not masks:
            raise DataError(f"image '{image}' has no mask '{image.stem}_mask.png' beside it")
        pairs.append(Pair(image.stem, image, masks))
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
    chosen = _of_split(_images(images), split) if whole else _images(images)
    return [Pair(image.stem, image, (find_mask(masks, image.stem),)) for image in chosen]


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def _of_split(images: Iterable[Path], split: str) -> list[Path]:
    """The images of ``split`` by a hash of their names: a fifth is val, the others are train."""
    if split not in ("train", "val"):
        raise DataError(f"a folder without lists has splits train and val, not '{split}'")
    shares = ((image, int(hashlib.sha256(image.stem.encode()).hexdigest(), 16) % 100) for image in images)
    return [image for image, share in shares if (share < _VALIDATION_SHARE_PERCENT) == (split == "val")]


def _find(folder: Path, name: str, endings: tuple[str, ...] = ("",)) -> Path:
    for ending in endings:
        for suffix in IMAGE_SUFFIXES:
            if (path := folder / f"{name}{ending}{suffix}").is_file():
                return path
    raise DataError(f"no image '{name}' with one of {', '.join(IMAGE_SUFFIXES)} in '{folder}'; check the list")
