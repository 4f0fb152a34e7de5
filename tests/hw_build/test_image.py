"""Images of a user: what is read, and each refusal."""

import numpy as np
import pytest
from PIL import Image

from hw_build.base.errors import ConfigError
from hw_build.base.image import overlap, read_folder, read_image, read_mask


def save(path, pixels):
    Image.fromarray(pixels).save(path)
    return path


def test_grey_and_colour_become_three_channels_of_codes(tmp_path):
    grey = np.arange(24, dtype=np.uint8).reshape(4, 6)
    assert np.array_equal(read_image(save(tmp_path / "grey.png", grey), (4, 6)), np.stack([grey] * 3, axis=-1))
    colour = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    assert np.array_equal(read_image(save(tmp_path / "colour.png", colour), (4, 6)), colour)


def test_mask_is_foreground_above_half(tmp_path):
    mask = np.array([[0, 127], [128, 255]], np.uint8)
    assert np.array_equal(read_mask(save(tmp_path / "mask.png", mask), (2, 2)), [[False, False], [True, True]])


def test_wrong_size_names_both(tmp_path):
    path = save(tmp_path / "small.png", np.zeros((4, 6), np.uint8))
    with pytest.raises(ConfigError, match=r"is 4x6 \(height x width\), the network takes 256x256; resize it"):
        read_image(path, (256, 256))


def test_sixteen_bit_image(tmp_path):
    path = save(tmp_path / "deep.png", np.zeros((4, 6), np.uint16))
    with pytest.raises(ConfigError, match=r"deep.png' is not 8-bit \(Pillow mode I;16\)"):
        read_image(path, (4, 6))


def test_missing_and_unreadable(tmp_path):
    with pytest.raises(ConfigError, match="image '.*none.png' does not exist; check the path"):
        read_image(tmp_path / "none.png", (4, 6))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ConfigError, match="text.png' is none of PNG, JPEG"):
        read_image(tmp_path / "text.png", (4, 6))
    whole = save(
        tmp_path / "whole.png", np.random.default_rng(1).integers(0, 255, (64, 64), dtype=np.uint8)
    ).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigError, match="cut.png' cannot be read"):
        read_image(tmp_path / "cut.png", (64, 64))


def test_overlap():
    left, both = np.array([True, False, False]), np.array([True, True, False])
    assert overlap(left, both) == 0.5
    assert overlap(np.zeros(3, bool), np.zeros(3, bool)) == 1.0


def test_masks_of_classes_and_their_overlap(tmp_path):
    truth = np.array([[0, 1, 1], [2, 2, 3]], np.uint8)
    path = save(tmp_path / "mask.png", truth)
    assert np.array_equal(read_mask(path, (2, 3), 4), truth)
    with pytest.raises(ConfigError, match="holds index 3, but classes are 0 to 2"):
        read_mask(path, (2, 3), 3)
    found = np.array([[0, 1, 0], [2, 2, 2]], np.uint8)
    assert overlap(found, truth, 4) == pytest.approx((1 / 2 + 2 / 3 + 0) / 3)
    assert overlap(truth, truth, 5) == 1.0  # a class that neither has


def test_slices_side_by_side_are_read_from_arrays(tmp_path):
    slices = np.random.default_rng(2).integers(0, 256, (4, 6, 5), dtype=np.uint8)
    np.save(tmp_path / "a.npy", slices)
    assert np.array_equal(read_image(tmp_path / "a.npy", (4, 6), 5), slices)
    assert np.array_equal(read_folder(tmp_path, 1, (4, 6), 5)["a"], slices)
    (scaled,) = read_folder(tmp_path, 1, (8, 12), 5).values()
    alone = Image.fromarray(slices[..., 4]).resize((12, 8), Image.Resampling.BILINEAR)
    assert np.array_equal(scaled[..., 4], np.asarray(alone))
    with pytest.raises(ConfigError, match=r"is uint8 \(4, 6, 5\), the network takes uint8 \(height, width, 7\)"):
        read_image(tmp_path / "a.npy", (4, 6), 7)
