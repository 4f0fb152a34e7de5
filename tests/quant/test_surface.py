"""HD95 and ASSD: against MONAI on random blobs, against distances counted by hand, and on empty masks."""

import math

import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance
from scipy import ndimage

from quant.scores.surface import score_surfaces, surface

SEED = 5


def blobs(rng, count, size=48):
    noise = ndimage.gaussian_filter(rng.normal(size=(count, size, size)), (0, 3, 3))
    return noise > np.quantile(noise, 0.75, axis=(1, 2), keepdims=True)


def test_random_masks_score_as_in_monai():
    rng = np.random.default_rng(SEED)
    predictions, masks = blobs(rng, 12), blobs(rng, 12)
    for prediction, mask in zip(predictions, masks, strict=True):
        found = score_surfaces(prediction[None], mask[None])
        pair = [torch.from_numpy(m)[None, None].float() for m in (prediction, mask)]
        hd95 = compute_hausdorff_distance(*pair, include_background=True, percentile=95).item()
        there, back = (
            compute_average_surface_distance(*order, include_background=True).item() for order in (pair, pair[::-1])
        )
        counts = surface(prediction).sum(), surface(mask).sum()
        assert found["hd95"] == pytest.approx(hd95, abs=1e-4)
        assert found["assd"] == pytest.approx((there * counts[0] + back * counts[1]) / sum(counts), abs=1e-4)


def test_squares_three_pixels_apart():
    prediction, mask = np.zeros((2, 1, 32, 32), bool)
    prediction[0, 10:20, 10:20] = True
    mask[0, 10:20, 13:23] = True  # the same square, three columns on
    scores = score_surfaces(prediction, mask)
    assert scores["hd95"] == 3.0
    assert 1.0 < scores["assd"] < 3.0
    assert score_surfaces(mask, mask) == {"hd95": 0.0, "assd": 0.0}


def test_the_surface_of_a_square_is_its_rim_and_the_image_border_is_background():
    mask = np.zeros((8, 8), bool)
    mask[2:6, 2:6] = True
    assert surface(mask).sum() == 12
    assert surface(np.ones((4, 4), bool)).sum() == 12


def test_empty_masks_are_the_diagonal_apart_from_any_other():
    empty, some = np.zeros((1, 30, 40), bool), np.zeros((1, 30, 40), bool)
    some[0, 5, 5] = True
    assert score_surfaces(empty, empty) == {"hd95": 0.0, "assd": 0.0}
    for pair in ((empty, some), (some, empty)):
        assert score_surfaces(*pair) == {"hd95": math.hypot(30, 40), "assd": math.hypot(30, 40)}


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(1, 4, 4\) and masks \(1, 4, 5\) are not both"):
        score_surfaces(np.zeros((1, 4, 4), bool), np.zeros((1, 4, 5), bool))
