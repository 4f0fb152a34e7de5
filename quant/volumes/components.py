"""Filters of connected components in predicted labels, class by class."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def keep_components(labels: np.ndarray, *, largest_only: bool = False, least_voxels: int = 1) -> np.ndarray:
    """``labels`` (X, Y, Z) without the components that are smaller than ``least_voxels``, or not the largest.

    Voxels are connected through faces, edges and corners. Of components of one size the first in order is the largest.
    """
    kept = labels.copy()
    for k in range(1, int(labels.max(initial=0)) + 1):
        parts, count = ndimage.label(labels == k, np.ones((3, 3, 3), bool))
        if not count:
            continue
        sizes = np.bincount(parts.ravel())[1:]
        stays = sizes >= least_voxels
        if largest_only:
            stays &= np.arange(count) == sizes.argmax()
        kept[(parts > 0) & ~np.concatenate([[False], stays])[parts]] = 0
    return kept
