"""Scores of a list of images in parts: all of them, each class, each size of lesion.

Of each part the IoU per image with its 95% interval, F1, the IoU pooled over 8 images as a mean over random orders
with its own interval (see ``resampling``), and the share missed of the images with a lesion: those that the prediction
does not touch in a single pixel. Sizes are shares of the image's pixels, in the bounds of ``SIZES``, which part BUSI
about into thirds. Of class indices every figure is a mean over the classes but the background.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quant.scores.metrics import Counts, count_pixels, score_counts
from quant.scores.resampling import interval, pooled_iou, pooled_iou_of_orders

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SIZES = {"small": (0.0, 0.03), "medium": (0.03, 0.10), "large": (0.10, 1.01)}


def lesion_sizes(share: np.ndarray) -> np.ndarray:
    """Names (N,) of ``SIZES`` of lesions that have ``share`` (N,) of their image; "" where there is none."""
    found = np.full(len(share), "", dtype="U6")
    for size, (low, high) in SIZES.items():
        found[(share > 0) & (share >= low) & (share < high)] = size
    return found


@dataclass(frozen=True)
class ImageScores:
    """Pixel counts of N images, one ``Counts`` a class but the background (one alone of masks), each (N,)."""

    classes: tuple[Counts, ...]

    @staticmethod
    def of(predictions: np.ndarray, truth: np.ndarray, classes: int = 1) -> ImageScores:
        """Of (N, H, W) bool masks, or of (N, H, W) class indices where ``classes`` > 1."""
        if classes == 1:
            return ImageScores((count_pixels(predictions, truth),))
        return ImageScores(tuple(count_pixels(predictions == k, truth == k) for k in range(1, classes)))

    @staticmethod
    def joined(parts: Sequence[ImageScores]) -> ImageScores:
        """The images of ``parts``, one part after the other."""
        return ImageScores(
            tuple(
                Counts(*(np.concatenate([getattr(of, name) for of in column]) for name in ("tp", "fp", "fn", "tn")))
                for column in zip(*(part.classes for part in parts), strict=True)
            )
        )

    def __len__(self) -> int:
        return len(self.classes[0].tp)

    def __getitem__(self, indices: np.ndarray) -> ImageScores:
        """Those of the images at ``indices``, or where they are True."""
        return ImageScores(
            tuple(Counts(*(part[indices] for part in (of.tp, of.fp, of.fn, of.tn))) for of in self.classes)
        )

    def score(self, name: str) -> np.ndarray:
        """One of the scores of ``metrics`` for each image, (N,)."""
        return np.mean([score_counts(counts)[name] for counts in self.classes], axis=0)

    def lesion_share(self) -> np.ndarray:
        """(N,) true pixels of all classes but the background, as a share of the image."""
        first = self.classes[0]
        return sum(counts.tp + counts.fn for counts in self.classes) / (first.tp + first.fp + first.fn + first.tn)

    def missed(self) -> np.ndarray:
        """(N,) bool: a lesion of which no pixel was found."""
        return (self.lesion_share() > 0) & (sum(counts.tp for counts in self.classes) == 0)


def part_scores(images: ImageScores) -> dict[str, Any]:
    """The figures of one part, by their names in JSON; intervals are [low, high], or None of a single image.

    ``missed`` is None where no image has a lesion.
    """
    iou, in_order = images.score("iou"), np.arange(len(images))
    orders = pooled_iou_of_orders(images.classes)
    missed = images.missed()[images.lesion_share() > 0]
    return {
        "images": len(images),
        "iou": float(iou.mean()),
        "iou_interval": interval(lambda indices: iou[indices].mean(-1), len(images)),
        "f1": float(images.score("f1").mean()),
        "iou_pooled8": float(pooled_iou(images.classes, in_order)),
        "iou_pooled8_orders": float(orders.mean()),
        "iou_pooled8_orders_deviation": float(orders.std()),
        "iou_pooled8_interval": interval(lambda indices: pooled_iou(images.classes, indices), len(images)),
        "missed": float(missed.mean()) if len(missed) else None,
    }


def break_down(images: ImageScores, classes: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """``part_scores`` of all images, of each class where there are several, and of each size, none of them empty.

    The keys are ``all``, ``class CLASS`` and ``size SIZE``.
    """
    return {title: part_scores(images[where]) for title, where in _parts(images, classes)}


def _parts(images: ImageScores, classes: Sequence[str] | None) -> Iterable[tuple[str, np.ndarray]]:
    yield "all", np.ones(len(images), bool)
    if classes is not None and len(kinds := sorted(set(classes))) > 1:
        of_image = np.array(classes)
        for kind in kinds:
            yield f"class {kind}", of_image == kind
    sizes = lesion_sizes(images.lesion_share())
    for size in SIZES:
        if (where := sizes == size).any():
            yield f"size {size}", where
