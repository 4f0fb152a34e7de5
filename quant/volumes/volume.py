"""A volume in memory: voxels in the order of the file, and the affine that says where they are.

Axes are (x, y, z) as NIfTI has them; ``affine`` (4, 4) takes voxel indices to millimetres in RAS+ (right, anterior,
superior). Nothing is turned when a file is read: an orientation that a network was not trained on is refused instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import nibabel
import numpy as np

from quant.base.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_AFFINE_TOLERANCE_MM = 1e-3
_SHEAR_TOLERANCE = 1e-3  # largest cosine between two axes
_SPACINGS_MM = (1e-3, 1e3)
_SAME_MM = 0.05  # as a share: spacings that count as one


@dataclass(frozen=True)
class Volume:
    """``voxels`` (C, X, Y, Z) of one or more channels; ``has_spacing`` is False for a stack of pictures, whose voxels
    are counted as 1 mm cubes because nothing says their size. ``source`` names the file in messages.
    """

    source: str
    voxels: np.ndarray
    affine: np.ndarray
    has_spacing: bool = True

    def __post_init__(self) -> None:
        if self.voxels.ndim != 4 or not self.voxels.size:
            raise DataError(f"'{self.source}' has the shape {self.voxels.shape}; a volume has three sides above 0")
        _require_affine(self.source, self.affine)

    @property
    def grey(self) -> np.ndarray:
        """The voxels (X, Y, Z) of the one channel; DataError where there are several."""
        if len(self.voxels) != 1:
            raise DataError(f"volume '{self.source}' has {len(self.voxels)} channels; slices are made of one")
        return self.voxels[0]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along each axis, (X, Y, Z)."""
        return tuple(self.voxels.shape[1:])

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along x, y and z."""
        x, y, z = (float(step) for step in np.linalg.norm(self.affine[:3, :3], axis=0))
        return x, y, z

    @property
    def orientation(self) -> str:
        """The directions in which x, y and z grow, such as RAS or LPS."""
        return "".join(nibabel.aff2axcodes(self.affine))


def _require_affine(source: str, affine: np.ndarray) -> None:
    remedy = "write the file again with the affine of its scan"
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise DataError(f"'{source}' has an affine that is not 4x4 finite numbers; {remedy}")
    axes = affine[:3, :3]
    steps = np.linalg.norm(axes, axis=0)
    if not ((steps > _SPACINGS_MM[0]) & (steps < _SPACINGS_MM[1])).all():
        raise DataError(f"'{source}' has an affine with spacings of {_listed(steps)} mm; {remedy}")
    cosines = np.abs((axes / steps).T @ (axes / steps) - np.eye(3)).max()
    if cosines > _SHEAR_TOLERANCE:
        raise DataError(
            f"'{source}' has axes that are not at right angles; resample it to a grid of right angles first"
        )


def require_same_grid(image: Volume, label: Volume) -> None:
    """DataError unless voxel i of ``label`` is where voxel i of ``image`` is."""
    if image.shape != label.shape:
        sides = ("x".join(map(str, volume.shape)) for volume in (label, image))
        raise DataError(
            f"label '{label.source}' has {next(sides)} voxels, its image {next(sides)}; export it on the image's grid"
        )
    offset = np.abs(image.affine - label.affine).max()
    if offset > _AFFINE_TOLERANCE_MM:
        raise DataError(
            f"label '{label.source}' has another affine than its image '{image.source}' (they differ by {offset:g});"
            " export it on the image's grid"
        )


def common_spacing(volumes: Iterable[Volume]) -> list[float] | None:
    """The spacing (x, y, z) of all, in mm; None where they differ by more than 5% or one does not say its own."""
    spacings = [volume.spacing_mm if volume.has_spacing else None for volume in volumes]
    first = spacings[0]
    if first is None or not all(step is not None and same_spacing(step, first) for step in spacings):
        return None
    return list(first)


def same_spacing(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether two spacings count as one."""
    return np.allclose(a, b, rtol=_SAME_MM)


def _listed(values: np.ndarray) -> str:
    return ", ".join(f"{value:g}" for value in values)
