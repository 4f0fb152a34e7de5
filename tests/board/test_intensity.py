"""Intensity windows: bounds of each kind against numpy and by hand, codes at both ends, and what is refused."""

import json

import numpy as np
import pytest

from board.errors import InputError
from board.intensity import Window

SEED = 3


def test_a_fixed_window_maps_its_ends_to_0_and_255_and_rounds_half_up():
    window = Window("fixed", -100, 155)  # one unit a code
    voxels = np.array([-5000, -100, -99.5, -99.51, 0, 155, 9000])
    assert window.codes(voxels).tolist() == [0, 0, 1, 0, 100, 255, 255]
    assert window.codes(voxels.astype(np.int16))[4] == 100


def test_percentiles_are_those_of_the_whole_volume():
    voxels = np.random.default_rng(SEED).gamma(2, 50, (5, 6, 7)).astype(np.float32)
    window = Window("percentile", 1, 99)
    lower, upper = window.bounds(voxels)
    # the definition by ranks: position 0.01 (n - 1) in order, linear between neighbours
    ordered = np.sort(voxels.astype(float).ravel())
    place = 0.01 * (ordered.size - 1)
    below = int(place)
    assert lower == pytest.approx(ordered[below] + (place - below) * (ordered[below + 1] - ordered[below]))
    codes = window.codes(voxels)
    assert (codes.shape, codes.dtype) == (voxels.shape, np.uint8)
    assert (codes[voxels >= upper] == 255).all()
    assert (codes[voxels <= lower] == 0).all()
    order = np.argsort(voxels.ravel(), kind="stable")
    assert (np.diff(codes.ravel()[order].astype(int)) >= 0).all()


def test_z_scores_are_in_deviations_of_the_voxels_that_count():
    voxels = np.array([0.0] * 90 + [10.0, 20.0] * 5)
    assert Window("zscore", -2, 2, nonzero=True).bounds(voxels) == (5.0, 25.0)  # mean 15, deviation 5
    mean = 1.5
    deviation = np.sqrt(2500 / 100 - mean**2)
    assert Window("zscore", -1, 1).bounds(voxels) == pytest.approx((mean - deviation, mean + deviation))


def test_a_volume_of_one_value_and_an_all_black_one_are_codes_of_0():
    for nonzero in (False, True):
        assert not Window(nonzero=nonzero).codes(np.zeros((2, 3))).any()
        assert not Window("zscore", -4, 4, nonzero).codes(np.full((2, 3), 7)).any()


def test_what_is_recorded_gives_the_same_window():
    window = Window("zscore", -4, 4.5, nonzero=True)
    assert Window.from_dict(json.loads(json.dumps(window.as_dict()))) == window
    with pytest.raises(InputError, match="has kind, low, high and may have nonzero"):
        Window.from_dict({"kind": "fixed", "low": 0, "high": 1, "gamma": 2})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (("gamma", 0, 1), "unknown intensity window 'gamma'; known: percentile, fixed, zscore"),
        (("fixed", 5, 5), "low must be below high, got 5 and 5"),
        (("percentile", 1, 101), "percentiles are 0 to 100, got 1 and 101"),
        (("fixed", 0, float("inf")), "high must be a finite number, got inf"),
        (("fixed", "0", 1), "low must be a finite number, got '0'"),
        (("fixed", 0, 1, 1), "nonzero must be true or false, got 1"),
    ],
)
def test_windows_without_sense_are_refused(values, sentence):
    with pytest.raises(InputError, match=sentence):
        Window(*values)


def test_voxels_without_sense_are_refused():
    with pytest.raises(InputError, match="holds NaN or infinity"):
        Window().codes(np.array([1.0, np.nan]))
    with pytest.raises(InputError, match="has no voxels"):
        Window().codes(np.zeros((0, 3)))
