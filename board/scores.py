"""Scores of masks against their truth, by the definitions and under the names of ``quant evaluate``.

From pixel counts of each image: iou = TP / (TP + FP + FN), f1 = 2 TP / (2 TP + FP + FN), precision = TP / (TP + FP),
recall = TP / (TP + FN), specificity = TN / (TN + FP), aac = (recall + specificity) / 2, accuracy = (TP + TN) / all.
0/0 is 1 where mask and truth agree on every pixel, else 0. Plain names are means over images; ``*_pooled8`` adds the
counts of eight images in list order first and weights a smaller last batch by its images. Distances: ``surface.py``.

Of several classes each but the background (index 0) is scored as a mask against all others; plain names are then means
over these classes, and ``iou_class1`` and so on tell them apart.
"""

import numpy as np

from board.surface import hd95_assd

POOL_IMAGES = 8


def count_pixels(mask, truth):
    """(TP, FP, FN, TN) of two masks (H, W) bool."""
    both, predicted, real = (int(np.count_nonzero(part)) for part in (mask & truth, mask, truth))
    return both, predicted - both, real - both, mask.size - predicted - real + both


def scores_of(counts):
    """The seven scores of each row of ``counts`` (N, 4), arrays (N,)."""
    tp, fp, fn, tn = np.asarray(counts).T
    agree = (fp + fn) == 0

    def ratio(part, whole):
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


def summarise(counts, distances):
    """Scores of a list of images from their ``counts`` (N, 4) and ``distances`` (N, 2): hd95 and assd in pixels."""
    counts = np.asarray(counts)
    starts = np.arange(0, len(counts), POOL_IMAGES)
    pooled = scores_of(np.add.reduceat(counts, starts, axis=0))
    weights = np.minimum(len(counts) - starts, POOL_IMAGES)
    summary = {"images": len(counts)}
    summary.update((name, float(values.mean())) for name, values in scores_of(counts).items())
    summary.update((f"{name}_pooled8", float(np.average(pooled[name], weights=weights))) for name in ("iou", "f1"))
    summary.update(zip(("hd95", "assd"), map(float, np.mean(distances, axis=0)), strict=True))
    return summary


class Scores:
    """Scores of images one after the other, of one class or of several."""

    def __init__(self, classes=1):
        self._classes = [None] if classes == 1 else range(1, classes)
        self._counts, self._distances = [], []

    def add(self, found, truth):
        """An image: masks (H, W) bool, or of several classes indices uint8."""
        pairs = [(found, truth) if index is None else (found == index, truth == index) for index in self._classes]
        self._counts.append([count_pixels(*pair) for pair in pairs])
        self._distances.append([hd95_assd(*pair) for pair in pairs])

    def summary(self):
        """One object of all images."""
        counts, distances = np.asarray(self._counts), np.asarray(self._distances)  # (N, classes, 4), (N, classes, 2)
        of_class = [summarise(counts[:, place], distances[:, place]) for place in range(len(self._classes))]
        if self._classes[0] is None:
            return of_class[0]
        means = {name: float(np.mean([scores[name] for scores in of_class])) for name in of_class[0]}
        each = {f"iou_class{index}": scores["iou"] for index, scores in zip(self._classes, of_class, strict=True)}
        return {**means, "images": of_class[0]["images"], **each}
