"""Volumes as a folder of images: each slice with its neighbours as channels, framed as the board frames them.

So everything for images (training, quantization, export, cascades) takes volumes in 2.5D. ``slabs.json`` holds what the
board must know of a scan (``board.volume_spec.VolumeSpec``), the size of a frame, and how many voxels each volume has;
the lists keep patients apart, as the volumes' lists do.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from board.errors import InputError
from board.slices import Slices
from board.volume_spec import VolumeSpec
from quant.base.classes import require_classes
from quant.base.errors import ConfigError, DataError, as_data_error
from quant.base.progress import steps_with_bar
from quant.volumes.layouts import Case, list_cases
from quant.volumes.slabs import require_slices
from quant.volumes.volume import Volume, common_spacing

if TYPE_CHECKING:
    from board.intensity import Window

SLABS = "slabs.json"
SPLITS = ("train", "val")
_MULTIPLE = 32  # of a frame's sides, unless they are given: what networks of up to five halvings take
_PICTURES = (1, 3)  # channels of a PNG; others are arrays


@dataclass(frozen=True)
class SlabFolder:
    """What ``write_slabs`` recorded: ``size`` (H, W) of frames, ``shapes`` (x, y, z) of the volumes by name."""

    spec: VolumeSpec
    size: tuple[int, int]
    shapes: dict[str, tuple[int, int, int]]


def write_slabs(
    data_dir: Path,
    out_dir: Path,
    *,
    window: Window,
    slices: int = 3,
    classes: int = 1,
    foreground: bool = False,
    size: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Writes ``images/``, ``masks/``, ``train.txt``, ``val.txt`` and ``slabs.json``; returns how many slices of each.

    ``classes``: what the labels hold; with ``foreground`` they become one. ``size`` (H, W): of a frame; by default the
    sides of the largest slice, filled up to multiples of 32. ``out_dir`` is there when all of it is.

    Raises:
        ConfigError: ``slices`` or ``size`` makes no sense, or ``out_dir`` holds something.
        DataError: as ``list_cases``; several channels, or volumes of different orientation.
    """
    require_slices(slices)
    require_classes(classes)
    out_dir = Path(out_dir)
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        raise ConfigError(f"--out '{out_dir}' exists and is not an empty folder; give a new one")
    cases = {split: list_cases(data_dir, split) for split in SPLITS}
    shapes, grids, orientation = {}, [], None
    # Frames are as large as the largest slice, and a bad volume is refused before anything is written, so all are read
    # before the first is written; they are read again then, since together they may not fit into memory.
    for case in steps_with_bar("look at volumes", [case for split in SPLITS for case in cases[split]]):
        image, _ = case.read(classes)
        orientation = _same_orientation(image, orientation)
        shapes[case.name] = image.shape
        grids.append(replace(image, voxels=np.broadcast_to(np.uint8(0), (1, *image.shape))))
    height, width = size or (_filled(max(shape[axis] for shape in shapes.values())) for axis in (1, 0))
    spec = VolumeSpec(window, slices, orientation, common_spacing(grids))
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    counts = {}
    with tempfile.TemporaryDirectory(prefix=f".{out_dir.name}.", dir=out_dir.parent) as partial_dir:
        written = Path(partial_dir) / out_dir.name
        for folder in ("images", "masks"):
            (written / folder).mkdir(parents=True)
        for split in SPLITS:
            names = []
            for case in steps_with_bar(f"write {split}", cases[split]):
                names += _write_case(case, spec, (height, width), classes, foreground, written)
            (written / f"{split}.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
            counts[split] = len(names)
        record = json.dumps({"size": [height, width], **spec.as_dict(), "shapes": shapes}) + "\n"
        (written / SLABS).write_text(record, encoding="utf-8")
        written.rename(out_dir)
    return {**counts, "size": [height, width]}


def read_slabs(folder: Path) -> SlabFolder:
    """What ``write_slabs`` recorded; DataError where it is missing or wrong."""
    path = Path(folder) / SLABS
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        height, width = values.pop("size")
        shapes = {str(name): tuple(map(int, shape)) for name, shape in values.pop("shapes", {}).items()}
        return SlabFolder(VolumeSpec.from_dict(values), (int(height), int(width)), shapes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InputError) as error:
        raise DataError(
            f"'{path}' is missing or wrong ({error}); write the folder by `python -m quant slabs`"
        ) from None


def require_neighbours(data_dir: Path, channels: int) -> None:
    """ConfigError where ``data_dir`` holds slices of volumes, and with their neighbours they are not ``channels``."""
    if not (Path(data_dir) / SLABS).is_file():
        return
    slices = read_slabs(data_dir).spec.slices
    if slices != channels:
        raise ConfigError(
            f"the slices in '{data_dir}' are {slices} with their neighbours, the network takes {channels} channels;"
            f" give --channels {slices}, or cut others by `quant slabs --slices {channels}`"
        )


def seen_whole(data_dir: Path, size: tuple[int, int], channels: int) -> dict[str, Any]:
    """``volumes`` of the checkpoint of a network for images of ``size`` (H, W) that sees slices in ``data_dir`` as they
    are; nothing where that is no folder of slices, or they are cut or resized.
    """
    if not (Path(data_dir) / SLABS).is_file():
        return {}
    slabs = read_slabs(data_dir)
    spec = slabs.spec
    if (tuple(size), channels) != (slabs.size, spec.slices):
        return {}
    seen = {"channels": channels, "slices": spec.slices, "window": spec.window.as_dict(), "spacing_mm": None}
    spacing = None if spec.spacing_mm is None else list(spec.spacing_mm)
    return {"volumes": {**seen, "file_spacing_mm": spacing, "orientation": spec.orientation}}


def _write_case(
    case: Case, spec: VolumeSpec, size: tuple[int, int], classes: int, foreground: bool, out_dir: Path
) -> list[str]:
    """The names of a case's slices."""
    image, label = case.read(classes)
    truth = label.voxels[0]
    truth = (truth > 0).astype(np.uint8) * 255 if foreground or classes == 1 else truth
    with as_data_error():
        frames = Slices(spec.window.codes(image.grey), *size, spec.slices)
        masks = Slices(truth, *size, 1)
    names = []
    for index in range(len(frames)):
        name = f"{case.name}_{index:04}"
        frame = frames.frame(index)
        if spec.slices in _PICTURES:
            Image.fromarray(frame[..., 0] if spec.slices == 1 else frame).save(out_dir / "images" / f"{name}.png")
        else:
            np.save(out_dir / "images" / f"{name}.npy", frame)
        Image.fromarray(masks.frame(index)[..., 0]).save(out_dir / "masks" / f"{name}.png")
        names.append(name)
    return names


def _same_orientation(image: Volume, before: str | None) -> str:
    if before not in (None, image.orientation):
        raise DataError(
            f"volume '{image.source}' has orientation {image.orientation}, others {before}; turn all to one"
            " (nibabel.as_closest_canonical)"
        )
    return image.orientation


def _filled(side: int) -> int:
    return -(-side // _MULTIPLE) * _MULTIPLE
