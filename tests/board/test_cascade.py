"""The cascade: its table against the formula in floats, centroids and crops by hand, and stage 1 without a find."""

import numpy as np
import pytest
from scipy import ndimage, special

from board.cascade import ALWAYS, NEVER, FusionTable, centroid, crop_around, segment
from board.errors import InputError

SEED = 8


@pytest.mark.parametrize(("weight", "threshold"), [(0.5, 0.6), (0.5, 0.5), (0.7, 0.4), (0.0, 0.5), (0.9, 0.05)])
def test_the_table_is_the_fusion_of_probabilities(weight, threshold):
    scale1, scale2 = 1 / 16, 1 / 8
    table = FusionTable.of(scale1, scale2, weight, threshold)
    logits1, logits2 = np.meshgrid(np.arange(-500, 501, 7), np.arange(-400, 401), indexing="ij")
    fused = weight * special.expit(scale1 * logits1) + (1 - weight) * special.expit(scale2 * logits2)
    clear = np.abs(fused - threshold) > 1e-9  # the table ends where sigmoid is within 4e-11 of 0 or 1
    assert clear.mean() > 0.85
    found = table.decide(logits1.astype(np.int32), logits2.astype(np.int32))
    np.testing.assert_array_equal(found[clear], (fused >= threshold)[clear])
    assert (np.diff(table.least.astype(np.int64)) <= 0).all()
    assert table.least.dtype == np.int32


def test_one_stage_alone_may_decide_for_or_against():
    alone = FusionTable.of(1 / 16, 1 / 16, weight=0.7, threshold=0.4)
    assert (alone.least[-1], alone.least[0]) == (ALWAYS, NEVER)  # 0.7 is enough; 0.3 is not
    extremes = np.array([2**31 - 1, -(2**31)], np.int32)
    assert alone.decide(np.full(2, 400, np.int32), extremes).all()
    assert not alone.decide(np.full(2, -400, np.int32), extremes).any()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((0, 1), "scale1 must be above 0, got 0"),
        ((1, 1, 1.0), "weight of stage 1 must be at least 0 and below 1, got 1.0"),
        ((1, 1, 0.5, 1.0), "threshold must be above 0 and below 1, got 1.0"),
        ((1e-9, 1), "scale1 1e-09 needs more than 131072 entries"),
    ],
)
def test_tables_without_sense_are_refused(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        FusionTable.of(*arguments)


def test_centroids_are_centres_of_mass_rounded_half_up():
    mask = np.zeros((6, 9), bool)
    mask[2:4, 5:8] = True
    assert centroid(mask) == (3, 6)  # 2.5 up, 6
    blob = np.random.default_rng(SEED).random((7, 8, 9)) > 0.8
    assert np.abs(np.subtract(centroid(blob), ndimage.center_of_mass(blob))).max() <= 0.5
    assert centroid(np.zeros((4, 4), bool)) is None
    assert centroid(mask, least_pixels=7) is None


def test_a_crop_has_its_centre_and_moves_inside_at_a_border():
    assert crop_around((50, 60), (32, 20), (100, 100)) == (slice(34, 66), slice(50, 70))
    assert crop_around((2, 99), (32, 20), (100, 100)) == (slice(0, 32), slice(80, 100))
    assert crop_around((4, 4, 4), (8, 8, 8), (8, 9, 8)) == (slice(0, 8), slice(0, 8), slice(0, 8))
    with pytest.raises(InputError, match="an image of 20x100 is smaller than the crop of 32x20; pad it"):
        crop_around((4, 4), (32, 20), (20, 100))


def test_the_second_stage_decides_inside_the_crop_and_nothing_is_outside():
    logits1 = np.full((20, 30), -64, np.int32)
    logits1[0:3, 27:30] = 64  # at a corner, so the crop moves inside
    logits1[19, 0] = 1  # far away: pulls the centroid a little, and is no foreground in the end
    seen = []

    def stage2(crop):
        seen.append(crop)
        return np.where(logits1[crop] > 0, 10, -200).astype(np.int32)

    table = FusionTable.of(1 / 16, 1 / 16)
    found = segment(logits1, stage2, table, (8, 8))
    assert seen == [(slice(0, 8), slice(21, 29))]
    assert found.crop == seen[0] and found.note == ""
    expected = np.zeros((20, 30), bool)
    expected[0:3, 27:29] = True  # 0.5 * sigmoid(4) + 0.5 * sigmoid(0.625) = 0.82
    np.testing.assert_array_equal(found.mask, expected)


def test_without_a_find_the_first_stages_mask_is_the_answer_and_says_so():
    logits1 = np.full((8, 8), -1, np.int32)
    logits1[2, 2] = 1
    found = segment(logits1, lambda crop: pytest.fail("no crop to look at"), FusionTable.of(1, 1), (4, 4), 2)
    np.testing.assert_array_equal(found.mask, logits1 > 0)
    assert found.crop is None
    assert "stage 1 found 1 foreground elements, fewer than 2: its mask is the answer" in found.note


def test_logits_of_two_crops_do_not_fuse():
    with pytest.raises(InputError, match=r"logits of \(4, 4\) and \(4, 5\); both stages must see one crop"):
        FusionTable.of(1, 1).decide(np.zeros((4, 4), np.int32), np.zeros((4, 5), np.int32))
