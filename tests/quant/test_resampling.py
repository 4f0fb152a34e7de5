"""Intervals against numbers by hand and scipy's own call, pooled IoU over all orders against counting each."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import bootstrap

from quant.scores.breakdown import ImageScores, break_down, part_scores
from quant.scores.metrics import count_pixels, score_masks
from quant.scores.resampling import interval, pooled_iou, pooled_iou_of_orders

SEED = 29


def masks(images, seed=SEED):
    """Random predictions and truths (N, 6, 6), of which the first truth and the second prediction are empty."""
    rng = np.random.default_rng(seed)
    predictions, truth = (rng.random((images, 6, 6)) < rng.random((images, 1, 1)) for _ in range(2))
    truth[0], predictions[1] = False, False
    return predictions, truth


def test_interval_of_two_images_is_that_of_the_binomial_distribution():
    values = np.array([0.0, 1.0])  # means of two draws: 0, 1/2, 1 with 1/4, 1/2, 1/4
    assert interval(lambda indices: values[indices].mean(-1), 2) == (0.0, 1.0)
    assert interval(lambda indices: values[indices].mean(-1), 1) is None
    hundred = np.repeat([0.0, 1.0], 50)
    low, high = interval(lambda indices: hundred[indices].mean(-1), 100)
    half = 1.96 * math.sqrt(0.25 / 100)  # the normal limit
    assert low == pytest.approx(0.5 - half, abs=0.011) and high == pytest.approx(0.5 + half, abs=0.011)


def test_interval_is_that_of_scipy_on_the_values():
    values = np.random.default_rng(SEED).beta(4, 2, 80)
    found = interval(lambda indices: values[indices].mean(-1), 80)
    theirs = bootstrap(
        (values,), np.mean, n_resamples=4999, method="percentile", rng=np.random.default_rng(5)
    ).confidence_interval
    assert found == pytest.approx((theirs.low, theirs.high), abs=0.004)
    assert found == interval(lambda indices: values[indices].mean(-1), 80), "it is seeded"


def test_interval_of_pooled_iou_is_that_of_resampled_masks():
    predictions, truth = masks(24)
    counts = count_pixels(predictions, truth)
    low, high = interval(lambda indices: pooled_iou([counts], indices), 24)
    rng = np.random.default_rng(SEED)
    drawn = [rng.integers(0, 24, 24) for _ in range(2000)]
    by_hand = [score_masks(predictions[indices], truth[indices])["iou_pooled8"] for indices in drawn]
    assert (low, high) == pytest.approx(tuple(np.percentile(by_hand, (2.5, 97.5))), abs=0.012)


def test_pooled_iou_of_an_order_is_that_of_the_list_in_it():
    predictions, truth = masks(19)
    counts = count_pixels(predictions, truth)
    orders = np.stack([np.random.default_rng(seed).permutation(19) for seed in range(5)])
    wanted = [score_masks(predictions[order], truth[order])["iou_pooled8"] for order in orders]
    assert pooled_iou([counts], orders) == pytest.approx(wanted)
    assert pooled_iou([counts], np.arange(19)) == pytest.approx(score_masks(predictions, truth)["iou_pooled8"])


def test_mean_over_random_orders_is_near_that_over_every_order():
    """Of ten images every order is a choice of the two that come last."""
    predictions, truth = masks(10)
    counts = count_pixels(predictions, truth)
    every = []
    for last in itertools.combinations(range(10), 2):
        first = [index for index in range(10) if index not in last]
        parts = (score_masks(predictions[part], truth[part])["iou_pooled8"] for part in (first, list(last)))
        every.append(np.average(list(parts), weights=(8, 2)))
    found = pooled_iou_of_orders([counts], orders=4000)
    assert found.mean() == pytest.approx(np.mean(every), abs=4 * np.std(every) / math.sqrt(4000))
    assert found.std() == pytest.approx(np.std(every), rel=0.05)
    assert {round(value, 9) for value in found} <= {round(value, 9) for value in every}
    assert np.array_equal(pooled_iou_of_orders([counts]), pooled_iou_of_orders([counts]))
    assert pooled_iou_of_orders([counts]).shape == (100,)


def test_parts_by_class_and_size_and_what_is_missed():
    predictions, truth = np.zeros((2, 6, 10, 10), bool)
    for index, pixels in enumerate((2, 3, 10, 9, 100, 0)):  # small, medium, large, medium, large, no lesion
        truth[index].flat[:pixels] = True
    predictions[0, 0, 0] = predictions[1, 9, 9] = predictions[2, 0, :5] = predictions[5, 0, 0] = True
    predictions[4] = True
    scores = ImageScores.of(predictions, truth)
    assert scores.missed().tolist() == [False, True, False, True, False, False]
    parts = break_down(scores, ["b", "m", "b", "m", "b", "m"])
    assert {title: part["images"] for title, part in parts.items()} == {
        **{"all": 6, "class b": 3, "class m": 3},
        **{"size small": 1, "size medium": 2, "size large": 2},
    }
    assert parts["class b"]["iou"] == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert (parts["size small"]["iou"], parts["size medium"]["iou"], parts["size large"]["iou"]) == (0.5, 0.0, 0.75)
    assert (parts["all"]["missed"], parts["class m"]["missed"]) == (2 / 5, 1.0), "of the images with a lesion"
    assert break_down(scores, ["b"] * 5 + ["normal"])["class normal"]["missed"] is None
    assert parts["size small"]["iou_interval"] is None
    assert set(break_down(scores, None)) == {"all", "size small", "size medium", "size large"}
    assert set(break_down(scores, ["b"] * 6)) == set(break_down(scores, None)), "one class is all images"


def test_scores_of_class_indices_are_means_over_the_classes():
    rng = np.random.default_rng(SEED)
    predictions, truth = rng.integers(0, 3, (2, 17, 6, 6)).astype(np.uint8)
    found = part_scores(ImageScores.of(predictions, truth, classes=3))
    of_class = [score_masks(predictions == k, truth == k) for k in (1, 2)]
    for name in ("iou", "f1", "iou_pooled8"):
        assert found[name] == pytest.approx(np.mean([scores[name] for scores in of_class]))
