"""Segmentation scores of boolean masks: IoU, F1 (Dice), precision, recall, specificity, AAC and pixel accuracy.

Everything follows from four pixel counts per image, TP, FP, FN and TN:

    iou         = TP / (TP + FP + FN)
    f1          = 2 TP / (2 TP + FP + FN)                    (Dice: the harmonic mean of precision and recall)
    precision   = TP / (TP + FP)
    recall      = TP / (TP + FN)                             (sensitivity)
    specificity = TN / (TN + FP)
    aac         = (recall + specificity) / 2
    accuracy    = (TP + TN) / (TP + FP + FN + TN)

Distances between the surfaces of the masks (hd95, assd) are in ``surface.py``.

`aac` is the Average Accuracy per Class as Carvalho and Vestias 2025 (Mobile-CMUNeXt) define it: the mean over the
classes of TP_i / (TP_i + FN_i). Their evaluation code stores the plain pixel accuracy under that name, so the AAC
columns of their tables compare with `accuracy` here, not with `aac`.

There is no smoothing term. A ratio 0/0 is 1 where prediction and mask agree on every pixel (both empty), else 0:
predicting nothing where there is a lesion has precision 0, and a false alarm on an empty mask has recall 0.

Plain names are means over images. `*_pooled8` adds up the counts of 8 images in list order first, as that paper does,
and then averages the batches, each weighted by its number of images (only the last can have fewer than 8).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

POOL_IMAGES = 8


@dataclass(frozen=True)
class Counts:
    """Pixel counts per image (or per pooled batch), each of shape (N,)."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    tn: np.ndarray

    def pooled(self, images: int) -> Counts:
        """The counts added up over consecutive groups of `images`; the last group may be smaller."""
        starts = np.arange(0, len(self.tp), images)
        return Counts(*(np.add.reduceat(c, starts) for c in (self.tp, self.fp, self.fn, self.tn)))


def count_pixels(predictions: np.ndarray, masks: np.ndarray) -> Counts:
    """Counts of two boolean arrays (N, H, W), True for the lesion."""
    if predictions.dtype != bool or masks.dtype != bool:
        raise TypeError(f"masks are boolean arrays, not {predictions.dtype} and {masks.dtype}")
    if predictions.shape != masks.shape or predictions.ndim != 3:
        raise ValueError(f"predictions {predictions.shape} and masks {masks.shape} are not both (N, H, W)")
    both = (predictions & masks).sum(axis=(1, 2), dtype=np.int64)
    predicted = predictions.sum(axis=(1, 2), dtype=np.int64)
    real = masks.sum(axis=(1, 2), dtype=np.int64)
    pixels = masks.shape[1] * masks.shape[2]
    return Counts(both, predicted - both, real - both, pixels - predicted - real + both)


def score_counts(counts: Counts) -> dict[str, np.ndarray]:
    """The seven scores of each entry of `counts`, each of shape (N,)."""
    tp, fp, fn, tn = counts.tp, counts.fp, counts.fn, counts.tn
    agree = (fp + fn) == 0

    def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.where(whole > 0, part / np.maximum(whole, 1), agree.astype(float))

    recall, specificity = ratio(tp, tp + fn), ratio(tn, tn + fp)
    return {
        "iou": ratio(tp, tp + fp + fn),
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "precision": ratio(tp, tp + fp),
        "recall": recall,
        "specificity": specificity,
        "aac": (recall + specificity) / 2,
        "accuracy": ratio(tp + tn, tp + fp + fn + tn),
    }


def score_masks(predictions: np.ndarray, masks: np.ndarray) -> dict[str, float | int]:
    """Scores of a whole list of boolean masks (N, H, W): see `summarise`."""
    return summarise(count_pixels(predictions, masks))


def summarise(counts: Counts) -> dict[str, float | int]:
    """One object for a whole list: `images`, the mean of each score per image, and iou and f1 pooled over 8 images."""
    images = len(counts.tp)
    if images == 0:
        raise ValueError("no image to score")
    summary: dict[str, float | int] = {"images": images}
    summary |= {name: float(values.mean()) for name, values in score_counts(counts).items()}
    pooled = score_counts(counts.pooled(POOL_IMAGES))
    starts = np.arange(0, images, POOL_IMAGES)
    weights = np.minimum(images - starts, POOL_IMAGES)
    for name in ("iou", "f1"):
        summary[f"{name}_pooled{POOL_IMAGES}"] = float(np.average(pooled[name], weights=weights))
    return summary
