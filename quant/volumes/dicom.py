"""A DICOM series, one slice a file in a folder, as a volume.

Slices are sorted by their position along the normal of their plane, whatever files and instance numbers are called.
Voxels are in the modality's unit (rescale slope and intercept, or the modality's table, applied: Hounsfield units of
CT); MONOCHROME1 says how a viewer shows them, and changes none. The affine takes the
patient's coordinates from DICOM's LPS+ to RAS+, as nibabel has them; x are columns, y rows, z slices.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut

from quant.base.errors import DataError
from quant.volumes.volume import Volume

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
_DIRECTION_TOLERANCE = 1e-4
_STEP_TOLERANCE = 0.02  # of the distance between slices
_SUFFIXES = (".dcm", ".ima")
_ASIDE_MM = 0.1
_AXES_TOLERANCE = 1e-3
_VALUES = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
_NEEDED = (
    "SeriesInstanceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
)
_GREY = ("MONOCHROME1", "MONOCHROME2")
_IMAGES = "ImageStorage"  # ends the keyword of every class of images, and of no other


def read_series(folder: Path) -> Volume:
    """Reads all DICOM files of ``folder``; other files are left alone.

    Raises:
        DataError: no slices, a damaged one, several series or orientations or sizes, two slices at one place, or a gap.
    """
    folder = Path(folder)
    slices = [(path, found) for path in _files(folder) if (found := _read(path)) is not None]
    if len(slices) < 2:
        raise DataError(f"folder '{folder}' has {len(slices)} DICOM slices; give the folder of a whole series")
    first_path, first = slices[0]
    for path, found in slices:
        _require_alike(folder, first_path, first, path, found)
    along_rows, along_columns = _axes(first)  # of growing column and growing row
    normal = np.cross(along_rows, along_columns)
    placed = sorted(((float(normal @ _position(found)), path, found) for path, found in slices), key=lambda it: it[0])
    step_mm = _step(folder, [place for place, _, _ in placed], [path for _, path, _ in placed])
    _require_upright(folder, [_position(found) for _, _, found in placed], normal)
    planes = [_pixels(path, found) for _, path, found in placed]
    row_mm, column_mm = (float(value) for value in first.PixelSpacing)  # between rows, between columns
    affine = np.eye(4)
    affine[:3, :3] = _LPS_TO_RAS @ np.stack([along_rows * column_mm, along_columns * row_mm, normal * step_mm], axis=1)
    affine[:3, 3] = _LPS_TO_RAS @ _position(placed[0][2])
    voxels = np.stack(planes).transpose(2, 1, 0)  # (Z, Y, X) -> (X, Y, Z)
    return Volume(str(folder), np.ascontiguousarray(voxels)[None], affine)


def is_series(folder: Path) -> bool:
    """Whether ``folder`` holds a DICOM file."""
    return folder.is_dir() and any(pydicom.misc.is_dicom(path) for path in _files(folder))


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(f"folder '{folder}' does not exist; give the folder of a DICOM series")
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _read(path: Path) -> Any:
    """The data set of a slice; None of a file that is no DICOM, or a DICOMDIR."""
    if not pydicom.misc.is_dicom(path):
        if path.suffix.lower() in _SUFFIXES:  # left out, an end slice would be missing without a gap
            raise DataError(f"slice '{path}' does not begin as a DICOM file; fetch the series again")
        return None
    try:
        found = pydicom.dcmread(path)
        if "PixelData" not in found:
            kind = found.get("SOPClassUID") or found.file_meta.get("MediaStorageSOPClassUID")
            if kind is None or kind.keyword.endswith(_IMAGES):
                raise ValueError("it ends before its pixels")
            return None
        frames = int(found.get("NumberOfFrames") or 1)
        missing = next((name for name in _NEEDED if found.get(name) is None), None)
    except Exception as error:  # whatever damaged elements make pydicom say
        raise _damaged(path, error) from error
    if frames > 1:
        raise DataError(f"slice '{path}' holds {frames} frames; convert it to NIfTI, or take it out of its folder")
    if missing:
        raise DataError(f"slice '{path}' lacks {missing}; export the series again, uncut")
    for name, values in _VALUES.items():
        if np.size(found[name].value) != values:
            raise DataError(f"slice '{path}' has {name} {found[name].value}, not {values} numbers; export it again")
    axes = _axes(found)
    if np.abs(axes @ axes.T - np.eye(2)).max() > _AXES_TOLERANCE:
        raise DataError(
            f"slice '{path}' has ImageOrientationPatient {found.ImageOrientationPatient}, not two directions at right"
            " angles; export the series again"
        )
    return found


def _require_alike(folder: Path, first_path: Path, first: Any, path: Path, found: Any) -> None:
    if found.SeriesInstanceUID != first.SeriesInstanceUID:
        raise DataError(
            f"folder '{folder}' mixes two series ('{first_path.name}' and '{path.name}'); give each its own folder"
        )
    if np.abs(_axes(found) - _axes(first)).max() > _DIRECTION_TOLERANCE:
        raise DataError(
            f"slice '{path}' lies in another plane than '{first_path.name}'; remove it, as a localizer, from the folder"
        )
    for name in ("Rows", "Columns", "PixelSpacing", "PhotometricInterpretation"):
        if found.get(name) != first.get(name):
            raise DataError(
                f"slice '{path}' has {name} {found.get(name)}, '{first_path.name}' has {first.get(name)}; give one"
                " series of slices of one kind and size"
            )


def _axes(found: Any) -> np.ndarray:
    """(2, 3): the direction along a row, and that along a column, in LPS."""
    return np.array([float(value) for value in found.ImageOrientationPatient]).reshape(2, 3)


def _position(found: Any) -> np.ndarray:
    return np.array([float(value) for value in found.ImagePositionPatient])


def _step(folder: Path, places: list[float], paths: list[Path]) -> float:
    """The distance between slices, in mm; DataError where it is not the same everywhere."""
    steps = np.diff(places)
    step = float(np.median(steps))
    twice = int(np.argmin(steps))
    if steps[twice] <= _STEP_TOLERANCE * max(step, 1e-3):
        raise DataError(f"slices '{paths[twice]}' and '{paths[twice + 1].name}' lie at one place; keep one of them")
    smallest = float(steps.min())
    wide = int(np.argmax(steps))
    if steps[wide] > (1 + _STEP_TOLERANCE) * smallest:
        missing = max(1, round(float(steps[wide]) / smallest) - 1)
        slices = "1 slice" if missing == 1 else f"{missing} slices"
        raise DataError(
            f"folder '{folder}' lacks about {slices} between '{paths[wide].name}' and"
            f" '{paths[wide + 1].name}', {steps[wide]:g} mm apart where others are {smallest:g}; fetch the series again"
        )
    return float((places[-1] - places[0]) / (len(places) - 1))


def _require_upright(folder: Path, positions: list[np.ndarray], normal: np.ndarray) -> None:
    """DataError where slices are shifted against each other, as by a tilted gantry: their voxels form no right grid."""
    offsets = np.array(positions) - positions[0]
    aside = np.linalg.norm(offsets - np.outer(offsets @ normal, normal), axis=1).max()
    if aside > _ASIDE_MM:
        raise DataError(
            f"the slices of folder '{folder}' are shifted by up to {aside:g} mm against each other, as by a tilted"
            " gantry; resample the series to a grid of right angles first"
        )


def _pixels(path: Path, found: Any) -> np.ndarray:
    """The slice, (Y, X) float32."""
    if found.get("PhotometricInterpretation") not in _GREY:
        raise DataError(
            f"slice '{path}' has the colours {found.get('PhotometricInterpretation')}; give a series of grey slices"
        )
    try:
        pixels = found.pixel_array
        values = np.asarray(apply_modality_lut(pixels, found), np.float32)
    except Exception as error:  # a truncated file, or a compression that no installed decoder knows
        raise _damaged(path, error) from error
    if pixels.ndim != 2:
        raise DataError(f"slice '{path}' has pixels of shape {pixels.shape}; give a series of one grey slice a file")
    if not np.isfinite(values).all():
        raise DataError(f"slice '{path}' has a rescale slope or intercept that is no number; export it again")
    return values


def _damaged(path: Path, error: Exception) -> DataError:
    told = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"slice '{path}' cannot be read ({told}); export the series again, uncompressed")
