"""NIfTI files as volumes, and label maps as NIfTI files on the grid of their image."""

from __future__ import annotations

import contextlib
import gzip
import logging
import math
import zlib
from pathlib import Path

import nibabel
import numpy as np

from quant.base.errors import DataError
from quant.base.replace_file import replace_file
from quant.volumes.volume import Volume

SUFFIXES = (".nii.gz", ".nii")
MOST_VOXELS = 1 << 29  # 2 GB as float32


def is_nifti(path: Path) -> bool:
    """Whether the name of ``path`` is that of a NIfTI file."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def stem(path: Path) -> str:
    """A file's name without .nii or .nii.gz."""
    name = path.name
    return next((name[: -len(suffix)] for suffix in SUFFIXES if name.lower().endswith(suffix)), name)


def read_nifti(path: Path) -> Volume:
    """Reads (X, Y, Z), or (X, Y, Z, C) as C channels, with the header's scaling applied: float32.

    Raises:
        DataError: missing, damaged, of another shape, of complex or colour voxels, or with an impossible affine.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"volume '{path}' does not exist; check the data folder")
    try:
        with _silent():
            image = nibabel.load(path)
    except Exception as error:  # nibabel's own, zlib's, struct's: whatever bytes that are none of theirs make them say
        raise _damaged(path, error) from error
    if not isinstance(image, nibabel.Nifti1Image):
        raise DataError(f"volume '{path}' is a {type(image).__name__}, not NIfTI; convert it")
    if image.header.get_data_dtype().kind not in "iuf":
        raise DataError(f"volume '{path}' has voxels of type {image.header.get_data_dtype()}; save it as grey values")
    if image.ndim not in (3, 4) or math.prod(image.shape) > MOST_VOXELS:
        sides = "x".join(map(str, image.shape))
        raise DataError(f"volume '{path}' has {sides} voxels; give 3D, or 4D with channels last, of a size that fits")
    if not (int(image.header["sform_code"]) or int(image.header["qform_code"])):
        raise DataError(
            f"volume '{path}' has no affine (neither sform nor qform); write it again with the affine of its scan"
        )
    try:
        voxels = np.asarray(image.dataobj, dtype=np.float32)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise _damaged(path, error) from error
    channels = voxels[None] if voxels.ndim == 3 else np.moveaxis(voxels, 3, 0)  # (X, Y, Z, C) -> (C, X, Y, Z)
    return Volume(str(path), channels, np.asarray(image.affine, np.float64))


def read_labels(path: Path, classes: int) -> Volume:
    """A NIfTI file of class indices 0 to ``classes`` - 1 (0 and 1 of one class), as uint8.

    Raises:
        DataError: as ``read_nifti``, or a value that is no class, or several channels.
    """
    volume = read_nifti(path)
    if volume.voxels.shape[0] != 1:
        raise DataError(f"label '{path}' has {volume.voxels.shape[0]} channels; a label has one, of class indices")
    highest, values = max(1, classes - 1), np.unique(volume.voxels)
    wrong = values[~np.isin(values, np.arange(highest + 1))]  # NaN, too
    if wrong.size:
        raise DataError(f"label '{path}' holds {wrong[0]:g}, but classes are 0 to {highest}; see --classes")
    return Volume(volume.source, volume.voxels.astype(np.uint8), volume.affine)


def write_labels(path: Path, labels: np.ndarray, like: Volume) -> None:
    """Writes class indices (X, Y, Z) uint8 on the grid of ``like``: its affine, spacing and orientation."""
    if not is_nifti(Path(path)):
        raise DataError(f"'{path}' is not the name of a NIfTI file; end it with .nii.gz or .nii")
    image = nibabel.Nifti1Image(labels.astype(np.uint8), like.affine)
    image.header.set_xyzt_units("mm")
    content = image.to_bytes()
    if str(path).lower().endswith(".gz"):
        content = gzip.compress(content, mtime=0)  # the same bytes each time
    replace_file(Path(path), lambda partial: partial.write_bytes(content))


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"volume '{path}' is damaged or no NIfTI ({str(error) or type(error).__name__}); fetch it again")


@contextlib.contextmanager
def _silent():
    """nibabel logs what it mends in headers; what matters is refused here."""
    logger = logging.getLogger("nibabel.global")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
