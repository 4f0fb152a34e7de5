"""Scores by volume: against MONAI on random blobs with unequal spacing, against counting, and on empty masks."""

import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from scipy import ndimage
from sklearn.metrics import f1_score, precision_score, recall_score

from quant.volumes.components import keep_components
from quant.volumes.scores import NAMES, score_mask, score_volume, summarise, surface_distances_mm

SEED = 9
SPACING_MM = (1.0, 0.8, 2.5)


def blob(rng, shape=(20, 22, 14)):
    noise = ndimage.gaussian_filter(rng.normal(size=shape), 2)
    return noise > np.quantile(noise, 0.8)


def test_random_volumes_score_as_in_monai_and_scikit_learn():
    rng = np.random.default_rng(SEED)
    for tolerance_mm in (0.5, 1.0, 3.0):
        prediction, truth = blob(rng), blob(rng)
        found = score_mask(prediction, truth, SPACING_MM, tolerance_mm)
        pair = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, truth)]
        setting = {"include_background": True, "spacing": SPACING_MM}
        assert found["hd95"] == pytest.approx(
            compute_hausdorff_distance(*pair, percentile=95, **setting).item(), abs=1e-4
        )
        assert found["surface_dice"] == pytest.approx(
            compute_surface_dice(*pair, class_thresholds=[tolerance_mm], **setting).item(), abs=1e-6
        )
        there, back = surface_distances_mm(prediction, truth, SPACING_MM)
        means = [compute_average_surface_distance(*order, **setting).item() for order in (pair, pair[::-1])]
        weighted = (means[0] * len(there) + means[1] * len(back)) / (len(there) + len(back))
        assert found["assd"] == pytest.approx(weighted, abs=1e-4)
        flat = truth.ravel(), prediction.ravel()
        assert found["dice"] == pytest.approx(f1_score(*flat))
        assert found["ppv"] == pytest.approx(precision_score(*flat))
        assert found["sensitivity"] == pytest.approx(recall_score(*flat))


def test_a_shift_by_one_slice_is_its_spacing_apart():
    truth = np.zeros((12, 12, 12), bool)
    truth[3:9, 3:9, 3:9] = True
    shifted = np.roll(truth, 1, axis=2)
    found = score_mask(shifted, truth, SPACING_MM)
    assert found["hd95"] == 2.5
    assert found["dice"] == pytest.approx(5 / 6)


def test_empty_masks():
    empty, full = np.zeros((4, 4, 4), bool), np.ones((4, 4, 4), bool)
    assert score_mask(empty, empty, SPACING_MM) == dict(zip(NAMES, (1, 1, 1, 0, 0, 1), strict=True))
    diagonal = 4 * np.linalg.norm(SPACING_MM)
    for pair in ((empty, full), (full, empty)):
        expected = dict(zip(NAMES, (0, 0, 0, diagonal, diagonal, 0), strict=True))
        assert score_mask(*pair, SPACING_MM) == pytest.approx(expected)


def test_classes_are_scored_apart_and_summed_up_with_intervals():
    rng = np.random.default_rng(SEED)
    truths = [blob(rng).astype(np.uint8) * rng.integers(1, 3, (20, 22, 14), np.uint8) for _ in range(3)]
    scores = [score_volume(truth * (truth < 2), truth, 3, SPACING_MM) for truth in truths]  # class 2 is never found
    found = summarise(scores)
    assert found["volumes"] == 3
    assert (found["class1"]["dice"], found["class2"]["dice"], found["dice"]) == (1.0, 0.0, 0.5)
    assert found["class1"]["dice_interval"] == (1.0, 1.0)
    mixed = summarise([{1: dict.fromkeys(NAMES, value)} for value in (0.2, 0.5, 0.9)])
    low, high = mixed["class1"]["ppv_interval"]
    assert 0.2 <= low < mixed["ppv"] < high <= 0.9
    assert summarise(scores[:1])["class1"]["dice_interval"] is None
    with pytest.raises(ValueError, match="no volume to score"):
        summarise([])
    with pytest.raises(ValueError, match=r"are not both \(X, Y, Z\)"):
        score_volume(truths[0], truths[0][1:], 3, SPACING_MM)


def test_components_that_are_small_or_not_the_largest_go():
    labels = np.zeros((10, 10, 10), np.uint8)
    labels[0:3, 0:3, 0:3] = 1  # 27 voxels
    labels[3, 3, 3] = 1  # joined to them at a corner
    labels[6:8, 6:8, 6:8] = 1  # 8
    labels[9, 9, 9] = 2
    labels[9, 0, 0] = 2
    largest = keep_components(labels, largest_only=True)
    assert [(largest == k).sum() for k in (1, 2)] == [28, 1]
    large = keep_components(labels, least_voxels=8)
    assert [(large == k).sum() for k in (1, 2)] == [36, 0]
    np.testing.assert_array_equal(keep_components(labels), labels)
    assert not keep_components(np.zeros((2, 2, 2), np.uint8), largest_only=True).any()
