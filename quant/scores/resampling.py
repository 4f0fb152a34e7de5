"""What a score would be on other draws of the images: its 95% interval, and pooled IoU whatever the order.

The interval is the percentile bootstrap (B. Efron, Annals of Statistics 7 (1979) 1) by scipy: the images are drawn
again with replacement, ``_RESAMPLES`` times, and the network stays what it is. It tells how far the list of images may
mislead, not how far another training run would differ.

Pooled IoU adds up the pixels of 8 images and so depends on which 8 come together. Over ``ORDERS`` random orders its
mean is a figure of the images alone, and its deviation says how much one order, for instance a list's own, may differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import bootstrap

from quant.scores.metrics import POOL_IMAGES, Counts, score_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ORDERS = 100
SEED = 1
_RESAMPLES = 4999
_BATCH = 500  # of resamples at a time, which bounds the memory


def interval(statistic: Callable[[np.ndarray], np.ndarray], images: int) -> tuple[float, float] | None:
    """95% interval of ``statistic``, which takes indices (..., N) of images and gives (...); None of one image."""
    if images < 2:
        return None
    found = bootstrap(
        (np.arange(images),),
        lambda indices, axis: statistic(np.moveaxis(indices, axis, -1)),
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=_BATCH,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(found.low), float(found.high)


def pooled_iou(classes: Sequence[Counts], indices: np.ndarray) -> np.ndarray:
    """IoU pooled over each 8 of the images ``indices`` (..., N) in this order -> (...), a mean over ``classes``.

    The batches are weighted by their number of images, as in ``metrics``.
    """
    starts = np.arange(0, indices.shape[-1], POOL_IMAGES)
    weights = np.minimum(indices.shape[-1] - starts, POOL_IMAGES)
    found = []
    for counts in classes:
        planes = (np.add.reduceat(part[indices], starts, axis=-1) for part in (counts.tp, counts.fp, counts.fn))
        tp, fp, fn = planes  # (..., N / 8)
        found.append(np.average(score_counts(Counts(tp, fp, fn, np.zeros_like(tp)))["iou"], axis=-1, weights=weights))
    return np.mean(found, axis=0)


def pooled_iou_of_orders(classes: Sequence[Counts], orders: int = ORDERS, seed: int = SEED) -> np.ndarray:
    """``pooled_iou`` of all images in each of ``orders`` random orders, (orders,)."""
    images = len(classes[0].tp)
    rng = np.random.default_rng(seed)
    return pooled_iou(classes, np.stack([rng.permutation(images) for _ in range(orders)]))
