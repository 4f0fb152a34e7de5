"""Images of a user: what is read, and each refusal."""

import numpy as np
import pytest
from PIL import Image

from hw_build.base.errors import ConfigError
from hw_build.base.image import overlap, read_image, read_mask


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
