"""A split of volumes in memory, as a network sees them: 8-bit codes of an intensity window, on one spacing.

The window is ``board.intensity``'s, so the board gives the same codes; resampling and the crop to the body are MONAI's.
Codes are on the grid of the network; ``truth`` stays on the grid of the file, where scores are taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import CropForegroundd, SpatialResample

from board.errors import InputError
from quant.base.errors import ConfigError, DataError
from quant.base.progress import steps_with_bar
from quant.volumes.layouts import Case, list_cases
from quant.volumes.nifti import MOST_VOXELS
from quant.volumes.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from board.intensity import Window


@dataclass(frozen=True)
class Scan:
    """``codes`` (C, X, Y, Z) and ``labels`` (X, Y, Z), uint8, on the network's grid, which ``affine`` places;
    ``truth`` (X, Y, Z) uint8 on the grid of ``file``, whose voxels are not kept.
    """

    name: str
    patient: str
    codes: torch.Tensor
    labels: torch.Tensor
    affine: np.ndarray
    truth: np.ndarray
    file: Volume


def load_scans(
    data_dir: Path, split: str, window: Window, classes: int = 1, spacing_mm: Sequence[float] | None = None
) -> list[Scan]:
    """Reads a whole split; ``spacing_mm`` (x, y, z): where the network's grid is another than the files'.

    Raises:
        DataError: as ``list_cases``; a label without foreground; another orientation or number of channels than before.
    """
    scans: list[Scan] = []
    for case in steps_with_bar(f"read {split}", list_cases(data_dir, split)):
        scan = load_scan(case, window, classes, spacing_mm)
        if scans:
            _require_alike(scans[0], scan)
        scans.append(scan)
    return scans


def load_scan(case: Case, window: Window, classes: int = 1, spacing_mm: Sequence[float] | None = None) -> Scan:
    """One case of ``load_scans``."""
    image, label = case.read(classes)
    truth = label.voxels[0]
    if not truth.any():
        raise DataError(
            f"label '{label.source}' of case '{case.name}' has no foreground; correct it, or take it out of its list"
        )
    try:
        codes = np.stack([window.codes(channel) for channel in image.voxels])
    except InputError as error:
        raise DataError(f"volume '{image.source}': {error}") from None
    file = Volume(image.source, np.broadcast_to(np.uint8(0), (1, *image.shape)), image.affine, image.has_spacing)
    codes, labels, affine = torch.from_numpy(codes), torch.from_numpy(np.ascontiguousarray(truth)), image.affine
    if spacing_mm is not None and not np.allclose(spacing_mm, image.spacing_mm, rtol=1e-3):
        if not image.has_spacing:
            raise ConfigError(f"--spacing needs volumes that say theirs; '{image.source}' is a stack of pictures")
        affine, shape = _grid(image, spacing_mm)
        codes = _resampled(codes, image.affine, affine, shape, "bilinear").round().to(torch.uint8)
        labels = _resampled(labels[None], image.affine, affine, shape, "nearest")[0].to(torch.uint8)
    return Scan(case.name, case.patient, codes, labels, affine, truth, file)


def on_file_grid(labels: torch.Tensor, scan: Scan) -> np.ndarray:
    """Predicted labels (X, Y, Z) on the network's grid -> (X, Y, Z) uint8 on the file's, by nearest neighbour."""
    if np.array_equal(scan.affine, scan.file.affine) and tuple(labels.shape) == scan.file.shape:
        return labels.numpy().astype(np.uint8)
    found = _resampled(labels[None], scan.affine, scan.file.affine, scan.file.shape, "nearest")
    return found[0].numpy().astype(np.uint8)


def cropped_to_body(scan: Scan, margin: int = 2) -> Scan:
    """``scan`` cut to the box of the codes above 0, for training; its label is cut with it."""
    crop = CropForegroundd(keys=("codes", "labels"), source_key="codes", margin=margin, allow_smaller=True)
    cut = crop({"codes": scan.codes, "labels": scan.labels[None]})
    codes, labels = (torch.as_tensor(cut[key]).contiguous() for key in ("codes", "labels"))
    return Scan(scan.name, scan.patient, codes, labels[0], scan.affine, scan.truth, scan.file)


def _grid(image: Volume, spacing_mm: Sequence[float]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Affine and shape of the grid of ``spacing_mm`` that has the first voxel of ``image`` and covers its voxels."""
    factors = np.asarray(spacing_mm, float) / np.asarray(image.spacing_mm)
    affine = image.affine.copy()
    affine[:3, :3] *= factors
    shape = tuple(round((side - 1) / factor) + 1 for side, factor in zip(image.shape, factors, strict=True))
    if math.prod(shape) > MOST_VOXELS:
        sides = "x".join(map(str, shape))
        raise ConfigError(
            f"--spacing makes {sides} voxels of '{image.source}', too many for memory; give a coarser one"
        )
    return affine, shape


def _resampled(
    voxels: torch.Tensor, source: np.ndarray, target: np.ndarray, shape: Sequence[int], mode: str
) -> torch.Tensor:
    resample = SpatialResample(mode=mode, padding_mode="border", align_corners=True)
    on_grid = MetaTensor(voxels.float(), affine=torch.from_numpy(source))
    return torch.as_tensor(resample(on_grid, dst_affine=torch.from_numpy(target), spatial_size=tuple(shape))).cpu()


def _require_alike(first: Scan, scan: Scan) -> None:
    if scan.file.orientation != first.file.orientation:
        raise DataError(
            f"volume '{scan.file.source}' has orientation {scan.file.orientation}, '{first.file.source}' has"
            f" {first.file.orientation}; turn all to one (nibabel.as_closest_canonical)"
        )
    if scan.codes.shape[0] != first.codes.shape[0]:
        raise DataError(
            f"volume '{scan.file.source}' has {scan.codes.shape[0]} channels, '{first.file.source}' has"
            f" {first.codes.shape[0]}; give volumes of the same channels"
        )
