"""Distances between the surfaces of predicted and true masks, in pixels, by the definitions of ``quant evaluate``.

The surface of a mask is its pixels with a background pixel among their four neighbours (outside the image counts as
background). hd95 is the larger of the two directions' 95th percentiles of the Euclidean distance from a surface pixel
to the nearest one of the other mask (Huttenlocher et al., PAMI 15 (1993) 850), assd the mean over both directions
together (Heimann et al., TMI 28 (2009) 1251). Two empty masks are 0 apart, an empty one and another the diagonal of
the image.
"""

import numpy as np

FAR = 1 << 15  # of a column without a surface pixel; its square fits int32, and it is longer than any image is wide


def hd95_assd(mask, truth):
    """(hd95, assd) of two masks (H, W) bool, in pixels."""
    if not mask.any() or not truth.any():
        distance = 0.0 if mask.any() == truth.any() else float(np.hypot(*truth.shape))
        return distance, distance
    predicted, true = surface(mask), surface(truth)
    there, back = distances_to(true)[predicted], distances_to(predicted)[true]
    both = np.concatenate([there, back])
    return float(max(np.percentile(there, 95), np.percentile(back, 95))), float(both.mean())


def surface(mask):
    """(H, W) bool -> (H, W) bool, True on the surface."""
    framed = np.pad(mask, 1)
    inside = framed[:-2, 1:-1] & framed[2:, 1:-1] & framed[1:-1, :-2] & framed[1:-1, 2:]
    return mask & ~inside


def distances_to(pixels):
    """Distance (H, W) float64 of each pixel to the nearest True one of ``pixels`` (H, W); one there must be.

    First along the columns, then over the columns of a row: the least (difference of columns)^2 + (distance there)^2.
    """
    height, width = pixels.shape
    rows = np.arange(height, dtype=np.int32)[:, None]
    above = np.maximum.accumulate(np.where(pixels, rows, -FAR), axis=0)
    below = np.minimum.accumulate(np.where(pixels, rows, FAR)[::-1], axis=0)[::-1]
    in_column = np.minimum(np.minimum(rows - above, below - rows), FAR).astype(np.int32) ** 2
    columns = np.arange(width, dtype=np.int32)
    across = (columns[:, None] - columns[None, :]) ** 2  # (to, from)
    return np.sqrt(np.stack([(across + row).min(axis=1) for row in in_column]))
