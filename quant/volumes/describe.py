"""What a data set looks like, images or volumes: the figures that a plan for a board is made from.

At most 64 cases of ``train`` are read, evenly spaced, so the figures are estimates on large sets; of volumes as many
of ``val``, too, for shape, orientation and channels. ``val_missing`` says why there is no split ``val``. The box of a
case is the smallest that holds all of its foreground; its sides are shares of the image's. Images are all 2D; of
volumes the plane is (y, x), and the box that of the whole volume.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from board.errors import InputError
from board.image_files import as_codes, read_image
from board.mask_files import read_labels, read_mask
from quant.base.errors import DataError, as_data_error
from quant.base.progress import steps_with_bar
from quant.data.layouts import Pair, list_pairs
from quant.data.pairs import MAX_PIXELS
from quant.volumes.layouts import Case, list_cases

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST_CASES = 64
_MOST_CLASSES = 256
_QUANTILES = (0.05, 0.5, 0.95, 1.0)


def describe(data_dir: Path) -> dict[str, Any]:
    """``kind`` "images" or "volumes", and its figures; of volumes lengths are (x, y, z).

    Raises:
        DataError: the folder is of no layout of images or volumes, or a file in it is wrong.
    """
    try:
        pairs = list_pairs(data_dir, "train")
    except DataError as of_images:
        try:
            cases = list_cases(data_dir, "train")
        except DataError as of_volumes:
            of_both = of_volumes if _has_volumes(Path(data_dir)) else of_images
            raise of_both from None
        val, missing = _val_of(list_cases, data_dir)
        return {**_of_volumes(cases, val), "val_missing": missing}
    _, missing = _val_of(list_pairs, data_dir)
    return {**_of_images(pairs), "stacked_patients": _patients(Path(data_dir)), "val_missing": missing}


def _val_of(list_of: Callable[[Path, str], list[Any]], data_dir: Path) -> tuple[list[Any], str | None]:
    """The cases of the split ``val``, and the sentence on why there are none."""
    try:
        return list_of(data_dir, "val"), None
    except DataError as error:
        return [], str(error)


def _patients(data_dir: Path) -> int:
    """Patients whose slices the images are, as a table beside them says; 0: there is none.

    DataError: a slice of one is missing, or unlike its others.
    """
    if not any((data_dir / name).is_file() for name in ("patients.csv", "cases.csv")):
        return 0
    try:
        cases = list_cases(data_dir, "train")
    except DataError:
        return 0
    val, _ = _val_of(list_cases, data_dir)
    for case in steps_with_bar("look at patients", [*_evenly(cases), *_evenly(val)]):
        case.read(_MOST_CLASSES)
    return len(cases)


def _has_volumes(data_dir: Path) -> bool:
    named = any(data_dir.glob("images*/*.nii*"))
    return (data_dir / "dataset.json").is_file() or named or any(path.is_dir() for path in data_dir.glob("images*/*"))


def _of_images(pairs: Sequence[Pair]) -> dict[str, Any]:
    sizes, boxes, shares, parts, grey, levels, classes = [], [], [], [], [], [], 1
    for pair in steps_with_bar("look at images", _evenly(pairs)):
        with as_data_error():
            codes = as_codes(read_image(pair.image, 3, MAX_PIXELS))
            truth = _truth(pair, codes.shape[:2])
        classes = max(classes, int(truth.max()) + 1 if truth.dtype != bool else 1)
        sizes.append(truth.shape)
        grey.append(bool((codes[..., :1] == codes).all()))
        levels.append(codes)
        _look_at(truth > 0, boxes, shares, parts)
    return {
        "kind": "images",
        "cases": len(pairs),
        "looked_at": len(sizes),
        "height": _spread([size[0] for size in sizes]),
        "width": _spread([size[1] for size in sizes]),
        "channels": 1 if all(grey) else 3,
        "classes": classes,
        **_lesions(boxes, shares, parts, ("height", "width")),
        "intensity": _intensity(levels),
    }


def _truth(pair: Pair, size: tuple[int, int]) -> np.ndarray:
    """Bool of one class; class indices where a mask's values are no foreground and background."""
    try:
        return read_mask(pair.masks, size, MAX_PIXELS)
    except InputError:
        if len(pair.masks) > 1:
            raise
        return read_labels(pair.masks[0], size, _MOST_CLASSES, MAX_PIXELS)


def _of_volumes(cases: Sequence[Case], val: Sequence[Case]) -> dict[str, Any]:
    shapes, spacings, boxes, shares, parts, levels = [], [], [], [], [], []
    channels, orientations, values = set(), set(), {0}
    looked_at = _evenly(cases)
    for index, case in enumerate(steps_with_bar("look at volumes", [*looked_at, *_evenly(val)])):
        image, label = case.read(_MOST_CLASSES)
        if not np.isfinite(image.voxels).all():
            raise DataError(
                f"volume '{image.source}' holds NaN or infinity; replace these voxels, for instance by its background"
            )
        truth = label.voxels[0]
        values |= set(np.unique(truth).tolist())
        shapes.append(image.shape)
        channels.add(image.voxels.shape[0])
        orientations.add(image.orientation)
        if index >= len(looked_at):
            continue
        if image.has_spacing:
            spacings.append(image.spacing_mm)
        levels.append(image.voxels)
        _look_at(truth > 0, boxes, shares, parts)
    if 2 * len(values) <= max(values):
        raise DataError(
            f"the labels hold {', '.join(map(str, sorted(values)))} alone; classes are 0, 1, 2 and so on: write them so"
        )
    return {
        "kind": "volumes",
        "cases": len(cases),
        "looked_at": len(looked_at),
        "shape": [_spread([shape[axis] for shape in shapes]) for axis in range(3)],
        "spacing_mm": [float(np.median([step[axis] for step in spacings])) for axis in range(3)] if spacings else None,
        "channels": max(channels),
        "orientations": sorted(orientations),
        "classes": 1 if max(values) <= 1 else max(values) + 1,
        **_lesions(boxes, shares, parts, ("x", "y", "z")),
        "intensity": _intensity(levels),
    }


def _evenly(cases: Sequence[Any]) -> list[Any]:
    count = min(len(cases), _MOST_CASES)
    return [cases[index * len(cases) // count] for index in range(count)]


def _look_at(foreground: np.ndarray, boxes: list[list[float]], shares: list[float], parts: list[int]) -> None:
    """Adds the box, the share and the components of one case that has foreground."""
    shares.append(float(foreground.mean()))
    if not foreground.any():
        return
    box = ndimage.find_objects(foreground.astype(np.uint8))[0]
    boxes.append([(at.stop - at.start) / side for at, side in zip(box, foreground.shape, strict=True)])
    parts.append(int(ndimage.label(foreground, np.ones((3,) * foreground.ndim))[1]))


def _lesions(boxes: list[list[float]], shares: list[float], parts: list[int], axes: Sequence[str]) -> dict[str, Any]:
    if not boxes:
        raise DataError("no mask that was looked at has any foreground; a plan needs what is to be found")
    return {
        "empty_cases": sum(share == 0 for share in shares),
        "foreground_share": _spread(shares),
        "box": {axis: _spread([box[place] for box in boxes]) for place, axis in enumerate(axes)},
        "components": _spread(parts),
    }


def _intensity(levels: Sequence[np.ndarray]) -> dict[str, float]:
    """Median over the cases of each one's percentiles and share of zeros."""
    values = [(*np.percentile(one, (1, 50, 99)), (one == 0).mean()) for one in levels]
    return dict(zip(("p1", "p50", "p99", "zeros"), map(float, np.median(values, axis=0)), strict=True))


def _spread(values: Sequence[float]) -> dict[str, float]:
    """5th, 50th and 95th percentile and the largest."""
    return dict(zip(("p5", "p50", "p95", "max"), map(float, np.quantile(values, _QUANTILES)), strict=True))
