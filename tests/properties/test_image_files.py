"""Random image and mask files: read by the documented rule, or one sentence says why not; never another exception."""

import io

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from board.errors import InputError
from board.image_files import as_codes, read_image
from board.mask_files import read_mask
from tests.properties.examples import examples

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))
MODES = {
    "1": (bool, 1), "L": (np.uint8, 1), "P": (np.uint8, 1), "LA": (np.uint8, 2), "RGB": (np.uint8, 3),
    "RGBA": (np.uint8, 4), "CMYK": (np.uint8, 4), "YCbCr": (np.uint8, 3), "I;16": (np.uint16, 1), "I": (np.int32, 1),
    "F": (np.float32, 1),
}  # fmt: skip
FORMATS = ("PNG", "TIFF", "BMP", "GIF", "JPEG", "WEBP", "PPM")
LOSSLESS = ("PNG", "TIFF", "BMP", "PPM")
ORIENTATION = 0x0112
LEVELS = st.sampled_from([0, 1, 2, 127, 128, 254, 255]) | st.integers(0, 255)


def saved(image, kind, orientation=None):
    """The bytes of ``image`` as a file."""
    exif, content = Image.Exif(), io.BytesIO()
    if orientation:
        exif[ORIENTATION] = orientation
    image.save(content, kind, **({"exif": exif} if orientation else {}))
    return content.getvalue()


@st.composite
def pictures(draw):
    """Pillow images of any mode with few or many values; palettes of any colours."""
    mode = draw(st.sampled_from(list(MODES)))
    kind, channels = MODES[mode]
    size = draw(SIZES)
    levels = draw(st.lists(LEVELS if kind != np.float32 else st.floats(width=32), min_size=1, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    values = rng.choice(np.array(levels), (*size, channels)).astype(kind)
    if draw(st.booleans()) and kind == np.uint8:
        values = rng.integers(0, 256, values.shape, np.uint8)
    image = (
        Image.fromarray(values[..., 0] if channels == 1 and mode != "P" else values[..., :1].squeeze(-1))
        if (channels == 1)
        else Image.merge(mode, [Image.fromarray(values[..., channel]) for channel in range(channels)])
    )
    if mode == "P":
        image.putpalette([draw(LEVELS) for _ in range(3 * draw(st.integers(1, 4)))])
    return image


@st.composite
def files(draw):
    """Files of any format, whole or damaged, or no image at all."""
    image, kind = draw(pictures()), draw(st.sampled_from(FORMATS))
    try:
        content = bytearray(saved(image, kind, draw(st.sampled_from([None, None, 0, *range(1, 10), 6000]))))
    except (OSError, ValueError, KeyError):
        assume(False)  # Pillow does not write this mode in this format
    for _ in range(draw(st.integers(0, 3)) if draw(st.booleans()) else 0):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    if draw(st.integers(0, 5)) == 0:
        content = content[: draw(st.integers(0, len(content)))]
    return bytes(content) if draw(st.integers(0, 9)) else draw(st.binary(max_size=60))


@examples(default=250, slow=20_000)
@given(content=files(), channels=st.sampled_from([1, 3, 4]))
def test_any_file_is_read_as_an_image_or_refused(content, channels):
    try:
        codes = as_codes(read_image(content, channels))
    except InputError as error:
        assert str(error) and "\n" not in str(error)
        return
    assert codes.dtype == np.uint8 and codes.ndim == 3 and codes.shape[2] == channels and codes.size


@examples(default=250, slow=20_000)
@given(contents=st.lists(files(), min_size=1, max_size=2))
def test_any_file_is_read_as_a_mask_or_refused(contents):
    try:
        mask = read_mask(contents)
    except InputError as error:
        assert str(error) and "\n" not in str(error)
        return
    assert mask.dtype == bool and mask.ndim == 2
    np.testing.assert_array_equal(mask, read_mask(contents[::-1]), err_msg="the order of masks does not matter")


@st.composite
def drawn_masks(draw):
    """(H, W) bool with both values."""
    size = draw(SIZES)
    mask = np.random.default_rng(draw(st.integers(0, 9999))).random(size) < 0.5
    assume(mask.any() and not mask.all())
    return mask


@examples(default=100, slow=5_000)
@given(mask=drawn_masks(), level=st.integers(1, 65535), kind=st.sampled_from(["PNG", "TIFF"]))
def test_zero_and_any_other_level_is_a_mask(mask, level, kind):
    values = np.where(mask, level, 0).astype(np.uint16 if level > 255 else np.uint8)
    np.testing.assert_array_equal(read_mask([saved(Image.fromarray(values), kind)]), mask)


@examples(default=100, slow=5_000)
@given(mask=drawn_masks(), colour=st.tuples(LEVELS, LEVELS, LEVELS), kind=st.sampled_from(LOSSLESS))
def test_black_and_any_other_colour_is_a_mask(mask, colour, kind):
    assume(any(colour))
    values = np.where(mask[..., None], colour, 0).astype(np.uint8)
    np.testing.assert_array_equal(read_mask([saved(Image.fromarray(values), kind)]), mask)


@examples(default=100, slow=5_000)
@given(mask=drawn_masks(), orientation=st.integers(1, 8), kind=st.sampled_from(["PNG", "TIFF", "WEBP"]))
def test_an_image_and_its_mask_are_turned_alike(mask, orientation, kind):
    turned = read_mask([saved(Image.fromarray(mask.astype(np.uint8) * 255), "PNG", orientation)])
    image = Image.fromarray(np.repeat(mask[..., None], 3, 2).astype(np.uint8) * 255)
    content = io.BytesIO()
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image.save(content, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    np.testing.assert_array_equal(as_codes(read_image(content.getvalue()))[..., 0] > 127, turned)
    assert turned.shape == (mask.shape if orientation < 5 else mask.shape[::-1])
