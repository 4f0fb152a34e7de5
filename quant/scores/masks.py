"""Scores of predicted masks or class indices: everything that ``metrics`` and ``surface`` measure, for every class.

With several classes each but the background (index 0) is scored as a mask against all others; plain names are then the
means over these classes, and ``iou_class1`` and so on tell them apart.
"""

from __future__ import annotations

import numpy as np

from quant.scores.metrics import score_masks
from quant.scores.surface import score_surfaces


def score(predictions: np.ndarray, truth: np.ndarray, classes: int = 1, *, surfaces: bool) -> dict[str, float | int]:
    """Scores of (N, H, W) bool masks, or of (N, H, W) class indices where ``classes`` > 1.

    ``surfaces`` adds hd95 and assd, which take longer than all the rest.
    """
    if classes == 1:
        return _score_mask(predictions, truth, surfaces)
    of_class = {k: _score_mask(predictions == k, truth == k, surfaces) for k in range(1, classes)}
    images = len(predictions)
    means = {name: float(np.mean([found[name] for found in of_class.values()])) for name in of_class[1]}
    return {**means, "images": images, **{f"iou_class{k}": found["iou"] for k, found in of_class.items()}}


def _score_mask(predictions: np.ndarray, masks: np.ndarray, surfaces: bool) -> dict[str, float | int]:
    found = score_masks(predictions, masks)
    return {**found, **score_surfaces(predictions, masks)} if surfaces else found
