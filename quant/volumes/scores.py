"""Scores of a segmented volume, class by class, and their means over volumes with 95% intervals.

    dice         = 2 TP / (2 TP + FP + FN)
    ppv          = TP / (TP + FP)
    sensitivity  = TP / (TP + FN)
    assd         = mean distance of both surfaces' voxels to the other surface, taken together, in mm
    hd95         = the larger of the two directions' 95th percentiles of these distances, in mm
    surface_dice = share of both surfaces' voxels that lie within a tolerance of the other (S. Nikolov et al., 2018)

The surface of a class is its voxels with a face neighbour outside it (outside the volume counts as that). Where
prediction and truth are both empty all ratios are 1 and distances 0; where one is, ratios are 0 and both distances the
volume's diagonal. Of stacks of pictures mm are voxels. The intervals are bootstraps over the volumes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from quant.scores.resampling import interval

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("dice", "ppv", "sensitivity", "assd", "hd95", "surface_dice")
_FACES = ndimage.generate_binary_structure(3, 1)


def score_volume(
    prediction: np.ndarray, truth: np.ndarray, classes: int, spacing_mm: Sequence[float], tolerance_mm: float = 1.0
) -> dict[int, dict[str, float]]:
    """``NAMES`` of each class but the background of two volumes of class indices (X, Y, Z); 0 and 1 of one class."""
    if prediction.shape != truth.shape or truth.ndim != 3:
        raise ValueError(f"prediction {prediction.shape} and truth {truth.shape} are not both (X, Y, Z)")
    return {k: score_mask(prediction == k, truth == k, spacing_mm, tolerance_mm) for k in range(1, max(2, classes))}


def score_mask(
    prediction: np.ndarray, truth: np.ndarray, spacing_mm: Sequence[float], tolerance_mm: float = 1.0
) -> dict[str, float]:
    """``NAMES`` of two bool masks (X, Y, Z)."""
    found, real = int(prediction.sum()), int(truth.sum())
    if not found or not real:
        ratio = float(found == real)
        distance = 0.0 if found == real else float(np.linalg.norm(np.multiply(truth.shape, spacing_mm)))
        return dict(zip(NAMES, (ratio, ratio, ratio, distance, distance, ratio), strict=True))
    both = int((prediction & truth).sum())
    there, back = surface_distances_mm(prediction, truth, spacing_mm)
    distances = np.concatenate([there, back])
    return {
        "dice": 2 * both / (found + real),
        "ppv": both / found,
        "sensitivity": both / real,
        "assd": float(distances.mean()),
        "hd95": float(max(np.percentile(there, 95), np.percentile(back, 95))),
        "surface_dice": float((distances <= tolerance_mm).mean()),
    }


def surface_distances_mm(
    prediction: np.ndarray, truth: np.ndarray, spacing_mm: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """From each surface voxel of ``prediction`` to the surface of ``truth``, and back; neither may be empty."""
    (box,) = ndimage.find_objects((prediction | truth).astype(np.uint8))  # both surfaces lie in it
    predicted, true = (mask[box] & ~ndimage.binary_erosion(mask[box], _FACES) for mask in (prediction, truth))
    to_true, to_predicted = (ndimage.distance_transform_edt(~s, sampling=spacing_mm) for s in (true, predicted))
    return to_true[predicted], to_predicted[true]


def summarise(scores: Sequence[dict[int, dict[str, float]]]) -> dict[str, Any]:
    """Means over the volumes of each class, under ``class1`` and so on with their 95% intervals, and over the classes.

    An interval of one volume is None.
    """
    if not scores:
        raise ValueError("no volume to score")
    found: dict[str, Any] = {"volumes": len(scores)}
    of_class = {k: {name: np.array([each[k][name] for each in scores]) for name in NAMES} for k in scores[0]}
    found |= {name: float(np.mean([values[name].mean() for values in of_class.values()])) for name in NAMES}
    for k, values in of_class.items():
        found[f"class{k}"] = {name: float(values[name].mean()) for name in NAMES} | {
            f"{name}_interval": interval(lambda indices, v=values[name]: v[indices].mean(axis=-1), len(scores))
            for name in NAMES
        }
    return found
