"""Distances between the surfaces of predicted and true masks, in pixels: HD95 and ASSD.

The surface of a mask is its pixels with a background pixel among their four neighbours (outside the image counts as
background). From every surface pixel of one mask the Euclidean distance to the nearest surface pixel of the other is
taken, in both directions:

    hd95 = the larger of the two directions' 95th percentiles           (Huttenlocher et al., PAMI 15 (1993) 850)
    assd = the mean over the distances of both directions together      (Heimann et al., TMI 28 (2009) 1251)

An empty prediction and an empty mask are 0 apart. Where only one of them is empty there is no surface to measure to:
both distances are then the image's diagonal, the worst that two pixels of it can be apart.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

_FOUR_NEIGHBOURS = ndimage.generate_binary_structure(2, 1)


def surface(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool -> (H, W) bool, True on the surface."""
    return mask & ~ndimage.binary_erosion(mask, _FOUR_NEIGHBOURS)


def surface_distances(prediction: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances from each surface pixel of ``prediction`` to that of ``mask`` and back; neither (H, W) may be empty."""
    predicted, true = surface(prediction), surface(mask)
    return ndimage.distance_transform_edt(~true)[predicted], ndimage.distance_transform_edt(~predicted)[true]


def score_surfaces(predictions: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """Means over images of ``hd95`` and ``assd`` in pixels; two arrays (N, H, W) bool."""
    if predictions.shape != masks.shape or predictions.ndim != 3:
        raise ValueError(f"predictions {predictions.shape} and masks {masks.shape} are not both (N, H, W)")
    pairs = [_hd95_assd(prediction, mask) for prediction, mask in zip(predictions, masks, strict=True)]
    hd95, assd = np.array(pairs).mean(axis=0)
    return {"hd95": float(hd95), "assd": float(assd)}


def _hd95_assd(prediction: np.ndarray, mask: np.ndarray) -> tuple[float, float]:
    if not prediction.any() or not mask.any():
        distance = 0.0 if prediction.any() == mask.any() else math.hypot(*mask.shape)
        return distance, distance
    there, back = surface_distances(prediction, mask)
    both = np.concatenate([there, back])
    return max(np.percentile(there, 95), np.percentile(back, 95)), both.mean()
