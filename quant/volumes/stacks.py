"""Stacks of pictures, one slice a file, as volumes: ``<patient>_<slice>.png`` of 8 or 16 bits grey.

A stack says nothing of spacing: its voxels count as cubes of 1 mm, and distances in it are in voxels. Its orientation
is that of pictures seen from the feet, x to the patient's left and y to the back, slices upwards: LPS, by convention.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import numpy as np

from board.image_files import DEEP_GREY_MODES, as_codes, open_image, read_image, upright
from board.mask_files import read_labels, read_mask
from quant.base.errors import DataError, as_data_error
from quant.data.pairs import MAX_PIXELS
from quant.volumes.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NAME = re.compile(r"(.+)_(\d+)")
_MOST_GREY = 65535
_AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])


def patient_and_slice(name: str) -> tuple[str, int] | None:
    """(patient, slice number) of a file's name without suffix; None where it is not ``<patient>_<slice>``."""
    found = _NAME.fullmatch(name)
    return None if found is None else (found[1], int(found[2]))


def require_whole(patient: str, numbers: Sequence[int]) -> None:
    """DataError unless the slice ``numbers``, sorted, have no gap."""
    for before, after in itertools.pairwise(numbers):
        if after != before + 1:
            raise DataError(
                f"patient '{patient}' has slices {before} and {after} but none between; add the missing files, or"
                " number the slices one by one"
            )


def read_stack(patient: str, slices: Sequence[Path]) -> Volume:
    """The pictures ``slices`` from the lowest slice up, each (Y, X) of one size, as float32 grey values.

    Raises:
        DataError: one is missing, damaged, of another size, or 16-bit among 8-bit ones.
    """
    planes = [_read_grey(path) for path in slices]
    for path, plane in zip(slices, planes, strict=True):
        if plane.shape != planes[0].shape or plane.dtype != planes[0].dtype:
            sides = " and ".join(f"{y}x{x} of {8 * p.itemsize} bits" for p in (planes[0], plane) for y, x in [p.shape])
            raise DataError(f"slice '{path}' is unlike '{slices[0]}': {sides}; give slices of one size and depth")
    voxels = np.stack(planes).transpose(2, 1, 0).astype(np.float32)  # (Z, Y, X) -> (X, Y, Z)
    return Volume(patient, voxels[None], _AFFINE, has_spacing=False)


def read_stack_labels(patient: str, masks: Sequence[tuple[Path, ...]], image: Volume, classes: int) -> Volume:
    """The masks of each slice, OR-ed, or of several classes one of class indices, as uint8 on the grid of ``image``."""
    size = (image.shape[1], image.shape[0])  # (Y, X)
    with as_data_error():
        if classes == 1:
            planes = [read_mask(files, size, MAX_PIXELS) for files in masks]
        else:
            planes = [read_labels(files[0], size, classes, MAX_PIXELS) for files in masks]
    voxels = np.stack(planes).transpose(2, 1, 0).astype(np.uint8)
    return Volume(patient, voxels[None], _AFFINE, has_spacing=False)


def _read_grey(path: Path) -> np.ndarray:
    """The slice, (Y, X) uint8 or uint16."""
    with as_data_error():
        with open_image(path, MAX_PIXELS) as opened:
            if opened.mode in DEEP_GREY_MODES and opened.mode != "F":
                grey = np.asarray(upright(opened, path))
                if grey.min() < 0 or grey.max() > _MOST_GREY:
                    raise DataError(f"slice '{path}' has values outside 0 to {_MOST_GREY}; save it with 16 bits")
                return grey.astype(np.uint16)
        return as_codes(read_image(path, 1, MAX_PIXELS))[:, :, 0]
