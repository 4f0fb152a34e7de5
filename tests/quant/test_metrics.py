"""The scores against hand-counted masks, the 0/0 rule, and pooling in list order with a short last batch."""

import numpy as np
import pytest

from quant.scores.metrics import count_pixels, score_counts, score_masks


def mask(rows):
    return np.array(rows, dtype=bool)[None]


HALF = mask([[1, 1, 0, 0], [1, 1, 0, 0]])
THREE_OF_FOUR_AND_ONE_WRONG = mask([[1, 1, 1, 0], [1, 0, 0, 0]])
EMPTY, FULL = np.zeros((1, 2, 4), bool), np.ones((1, 2, 4), bool)


def scores(prediction, truth):
    return {name: float(v[0]) for name, v in score_counts(count_pixels(prediction, truth)).items()}


def test_hand_counted_example():
    got = scores(THREE_OF_FOUR_AND_ONE_WRONG, HALF)
    assert got == pytest.approx(
        {
            **{"iou": 3 / 5, "f1": 3 / 4, "precision": 3 / 4, "recall": 3 / 4, "specificity": 3 / 4},
            **{"aac": (3 / 4 + 3 / 4) / 2, "accuracy": 6 / 8},
        }
    )


def test_f1_is_the_harmonic_mean_and_follows_from_iou():
    seed = 7
    rng = np.random.default_rng(seed)
    got = score_counts(count_pixels(rng.random((20, 16, 16)) < 0.3, rng.random((20, 16, 16)) < 0.5))
    harmonic = 2 * got["precision"] * got["recall"] / (got["precision"] + got["recall"])
    np.testing.assert_allclose(got["f1"], harmonic, err_msg=f"seed {seed}")
    np.testing.assert_allclose(got["f1"], 2 * got["iou"] / (1 + got["iou"]), err_msg=f"seed {seed}")


def test_both_empty_is_perfect():
    assert set(scores(EMPTY, EMPTY).values()) == {1.0}


def test_both_full_is_perfect():
    assert set(scores(FULL, FULL).values()) == {1.0}


def test_predicting_nothing_on_a_lesion_scores_zero():
    got = scores(EMPTY, HALF)
    assert (got["iou"], got["f1"], got["precision"], got["recall"]) == (0, 0, 0, 0)
    assert got["aac"] == 0.5 and got["accuracy"] == 0.5


def test_false_alarm_on_an_empty_mask_scores_zero():
    got = scores(HALF, EMPTY)
    assert (got["iou"], got["f1"], got["precision"], got["recall"]) == (0, 0, 0, 0)


def test_pooling_is_over_eight_in_list_order_and_weighted_by_images():
    truth = np.concatenate([HALF] * 10)
    prediction = np.concatenate([HALF] * 6 + [EMPTY] * 2 + [THREE_OF_FOUR_AND_ONE_WRONG] * 2)
    got = score_masks(prediction, truth)
    first, last = (6 * 4) / (8 * 4), (2 * 3) / (2 * 5)
    assert got["images"] == 10
    assert got["iou"] == pytest.approx((6 * 1 + 2 * 0 + 2 * 3 / 5) / 10)
    assert got["iou_pooled8"] == pytest.approx((8 * first + 2 * last) / 10)
    assert got["f1_pooled8"] == pytest.approx((8 * (2 * 24 / (2 * 24 + 8)) + 2 * (12 / 16)) / 10)


def test_pooling_depends_on_the_order():
    truth = np.concatenate([HALF] * 8 + [np.pad(HALF[:, :1], ((0, 0), (0, 1), (0, 0)))] * 8)
    prediction = np.concatenate([EMPTY] * 8 + [truth[8:]])
    mixed = np.arange(16).reshape(2, 8).T.reshape(-1)
    in_order = score_masks(prediction, truth)
    shuffled = score_masks(prediction[mixed], truth[mixed])
    assert in_order["iou"] == shuffled["iou"]
    assert in_order["iou_pooled8"] == 0.5 and shuffled["iou_pooled8"] == pytest.approx(1 / 3)


def test_masks_must_be_boolean():
    with pytest.raises(TypeError, match="boolean arrays, not uint8"):
        count_pixels(HALF.astype(np.uint8), HALF)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="are not both"):
        count_pixels(HALF, HALF[:, :1])


def test_an_empty_list_is_refused():
    with pytest.raises(ValueError, match="no image to score"):
        score_masks(np.zeros((0, 2, 2), bool), np.zeros((0, 2, 2), bool))
