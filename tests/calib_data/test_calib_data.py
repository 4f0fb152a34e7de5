"""The calibration images: what the README and the networks rely on."""

import numpy as np
import pytest

import calib_data


def test_sixteen_images_of_both_kinds_with_masks():
    names = calib_data.names()
    assert len(names) == len(set(names)) == 16
    assert {name.split("_")[0] for name in names} == {"benign", "malignant"}
    assert calib_data.DEMO_IMAGE in names
    for sample in calib_data.load_all():
        assert sample.codes.shape == (256, 256, 3) and sample.codes.dtype == np.uint8
        assert sample.mask.shape == (256, 256) and sample.mask.dtype == bool
        assert np.array_equal(sample.codes[..., 0], sample.codes[..., 2])
        assert 0 < sample.mask.sum() < sample.mask.size


def test_resized_sample_keeps_a_two_valued_mask():
    sample = calib_data.load(calib_data.DEMO_IMAGE, (32, 48))
    assert sample.codes.shape == (32, 48, 3)
    assert sample.mask.shape == (32, 48) and sample.mask.any()


def test_every_file_is_listed():
    for folder in ("images", "masks"):
        assert {path.stem for path in (calib_data.FOLDER / folder).iterdir()} == set(calib_data.names())


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="unknown calibration image 'benign_999'; known images: benign_007, "):
        calib_data.load("benign_999")


def test_grey_levels_are_repeated_to_the_channels_asked_for():
    grey = calib_data.load(calib_data.DEMO_IMAGE, (16, 24), channels=1).codes
    assert grey.shape == (16, 24, 1)
    assert (calib_data.load(calib_data.DEMO_IMAGE, (16, 24), channels=4).codes == grey).all()
