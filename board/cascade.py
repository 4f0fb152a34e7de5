"""A cascade of two networks in integers: where the second looks, and how the logits of both become one mask.

Stage 1 sees the whole image or volume. The centroid of its mask is the centre of a crop that stage 2 sees. Inside the
crop a pixel is foreground where

    w sigmoid(scale1 * l1) + (1 - w) sigmoid(scale2 * l2) >= threshold         (l1, l2: integer logits of both stages)

and outside of it none is. The left side grows with l2, so the rule is a table: for each l1 the least l2 that suffices.
Where stage 1 finds nothing there is no crop, and its empty mask is the answer. Arrays have two or three dimensions.

G. Yang et al., Frontiers in Oncology 12 (2022) 827991, take w = 0.5, a threshold of 0.6 and crops of 96x64x32.
"""

import math
from dataclasses import dataclass

import numpy as np

from board.errors import InputError

MOST_ENTRIES = 1 << 17
NEVER, ALWAYS = 2**31 - 1, -(2**31)  # entries for "no logit of stage 2 suffices" and "any does"
_SATURATED = 24.0  # sigmoid is within 4e-11 of 0 or 1 beyond


@dataclass(frozen=True)
class FusionTable:
    """``least[i]``: the least logit of stage 2 that makes foreground beside the logit ``first + i`` of stage 1.

    A logit of stage 1 beyond the table counts as its nearest entry. int32, never growing with i.
    """

    first: int
    least: np.ndarray

    @classmethod
    def of(cls, scale1, scale2, weight=0.5, threshold=0.6):
        """The table of two networks whose float logits are ``scale`` times their integers.

        InputError: a scale that is not above 0 or too fine, a weight or threshold beyond 0..1.
        """
        for name, scale in (("scale1", scale1), ("scale2", scale2)):
            if not 0 < scale < float("inf"):
                raise InputError(f"cascade: {name} must be above 0, got {scale}; correct it")
        if not 0 <= weight < 1:
            raise InputError(f"cascade: the weight of stage 1 must be at least 0 and below 1, got {weight}; correct it")
        if not 0 < threshold < 1:
            raise InputError(f"cascade: the threshold must be above 0 and below 1, got {threshold}; correct it")
        last = int(_SATURATED / scale1) + 1
        if 2 * last + 1 > MOST_ENTRIES:
            raise InputError(f"cascade: scale1 {scale1} needs more than {MOST_ENTRIES} entries; give a coarser one")
        least = [_least(logit, scale1, scale2, weight, threshold) for logit in range(-last, last + 1)]
        return cls(-last, np.asarray(least, dtype=np.int32))

    def decide(self, logits1, logits2):
        """Bool mask of two arrays of integer logits of one shape."""
        if logits1.shape != logits2.shape:
            raise InputError(f"cascade: logits of {logits1.shape} and {logits2.shape}; both stages must see one crop")
        index = np.minimum(np.maximum(logits1.astype(np.int64) - self.first, 0), len(self.least) - 1)
        least = self.least[index]
        return (logits2 >= least) & (least != NEVER)


def _least(logit1, scale1, scale2, weight, threshold):
    """The least int32 logit of stage 2 with a fused score of at least ``threshold``, by bisection of the definition."""
    share1 = weight * _sigmoid(scale1 * logit1)

    def suffices(logit2):
        return share1 + (1 - weight) * _sigmoid(scale2 * logit2) >= threshold

    if suffices(ALWAYS):
        return ALWAYS
    if not suffices(NEVER - 1):
        return NEVER
    below, found = ALWAYS, NEVER - 1
    while found - below > 1:
        middle = (below + found) // 2
        if suffices(middle):
            found = middle
        else:
            below = middle
    return found


def _sigmoid(x):
    e = math.exp(-abs(x))
    return 1 / (1 + e) if x >= 0 else e / (1 + e)


def centroid(mask, least_pixels=1):
    """The centre of mass of a bool mask, each coordinate rounded half up; None below ``least_pixels`` of foreground."""
    places = np.argwhere(mask)
    count = len(places)
    if count < max(1, least_pixels):
        return None
    return tuple(int(total) for total in (2 * places.sum(axis=0, dtype=np.int64) + count) // (2 * count))


def crop_around(centre, size, shape):
    """Slices of ``size`` around ``centre`` in an array of ``shape``; at a border moved inside, never smaller.

    The centre is element size // 2 of the crop. InputError: the array is smaller than the crop.
    """
    if any(side < wanted for wanted, side in zip(size, shape, strict=True)):
        raise InputError(
            f"cascade: an image of {_by(shape)} is smaller than the crop of {_by(size)}; pad it, or give a smaller crop"
        )
    starts = (min(max(c - w // 2, 0), side - w) for c, w, side in zip(centre, size, shape, strict=True))
    return tuple(slice(start, start + w) for start, w in zip(starts, size, strict=True))


def reduced(codes, factor):
    """Codes (H, W, C) uint8 -> (H / factor, W / factor, C): means of squares, rounded half up. Sides divide."""
    if factor == 1:
        return codes
    height, width, channels = codes.shape
    squares = codes.reshape(height // factor, factor, width // factor, factor, channels)
    sums = squares.sum(axis=(1, 3), dtype=np.int64)
    return ((2 * sums + factor * factor) // (2 * factor * factor)).astype(np.uint8)


def enlarged(logits, factor):
    """Logits (H, W) -> (H * factor, W * factor): each repeated over its square."""
    return logits.repeat(factor, axis=0).repeat(factor, axis=1)


@dataclass(frozen=True)
class Outcome:
    """The mask of a cascade; ``crop`` is None, and ``note`` says so, where stage 1 found nothing to look at."""

    mask: np.ndarray
    crop: tuple
    note: str


def segment(logits1, stage2, table, size, least_pixels=1):
    """The cascade on integer logits of stage 1, an array; ``stage2(crop)`` gives those of the crop's size.

    Returns an ``Outcome``. InputError: as ``crop_around`` and ``FusionTable.decide``.
    """
    mask1 = logits1 > 0
    centre = centroid(mask1, least_pixels)
    if centre is None:
        found = int(np.count_nonzero(mask1))
        note = f"stage 1 found {found} foreground elements, fewer than {max(1, least_pixels)}: its mask is the answer"
        return Outcome(mask1, None, note)
    crop = crop_around(centre, size, logits1.shape)
    mask = np.zeros(logits1.shape, np.bool_)
    mask[crop] = table.decide(logits1[crop], stage2(crop))
    return Outcome(mask, crop, "")


def _by(sides):
    return "x".join(map(str, sides))
