"""What a mask file says: one rule, for board, quant and hw_build; or a sentence with the file and its values."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from board.errors import InputError
from board.io_spec import IoSpec
from board.mask_files import read_mask, resize_nearest
from board.pictures import read_pair as read_pair_on_board
from hw_build.base.errors import ConfigError
from hw_build.base.image import read_mask as read_mask_of_demo
from quant.base.errors import DataError
from quant.data.layouts import Pair
from quant.data.pairs import read_pair

SIZE = (24, 32)
TRUE = np.zeros(SIZE, bool)
TRUE[3:9, 4:30] = TRUE[12:20, 10:17] = TRUE[22, 1] = True
VOC = (0, 0, 0, 128, 0, 0, 0, 128, 0)  # background, class 1, class 2


def grey(background, foreground, kind=np.uint8, mask=TRUE):
    return Image.fromarray(np.where(mask, foreground, background).astype(kind))


def colour(background, foreground):
    return Image.fromarray(np.where(TRUE[..., None], foreground, background).astype(np.uint8))


def palette(colours, background=0, foreground=1, **transparency):
    image = Image.fromarray(np.where(TRUE, foreground, background).astype(np.uint8))
    image.putpalette(colours)
    assert image.mode == "P"
    image.info.update(transparency)
    return image


def smooth():
    """Black and white at twice the size, scaled down: blends at every edge."""
    big = grey(0, 255).resize((SIZE[1] * 5, SIZE[0] * 5), Image.Resampling.NEAREST)
    return big.resize((SIZE[1], SIZE[0]), Image.Resampling.LANCZOS)


READ = {
    "0 and 255": grey(0, 255),
    "0 and 1": grey(0, 1),
    "0 and 127": grey(0, 127),
    "0 and 128": grey(0, 128),
    "video levels": grey(16, 235),
    "mode 1": grey(0, 255).convert("1"),
    "16 bits, 0 and 1": grey(0, 1, np.uint16),
    "16 bits, 0 and 255": grey(0, 255, np.uint16),
    "16 bits, 0 and 65535": grey(0, 65535, np.uint16),
    "16 bits, 0 and 40": grey(0, 40, np.uint16),
    "VOC palette": palette(VOC),
    "VOC palette, another class": palette(VOC, 0, 2),
    "palette with white first": palette((255, 255, 255, 0, 0, 0), 1, 0),
    "grey palette": palette((0, 0, 0, 1, 1, 1)),
    "palette of one colour": palette((9, 9, 9, 9, 9, 9)),
    "palette of one colour that is not grey": palette((9, 0, 0, 9, 0, 0)),
    "palette, white under transparency": palette((255, 255, 255, 255, 255, 255), transparency=0),
    "red on black": colour((0, 0, 0), (255, 0, 0)),
    "dark blue on black": colour((0, 0, 0), (0, 0, 1)),
    "white on black, RGB": grey(0, 255).convert("RGB"),
    "0 and 1, RGB": grey(0, 1).convert("RGB"),
    "opaque RGBA": grey(0, 255).convert("RGBA"),
    "0 and 1, opaque RGBA": grey(0, 1).convert("RGBA"),
    "red on black, opaque RGBA": colour((0, 0, 0, 255), (255, 0, 0, 255)),
    "half transparent RGBA": colour((0, 0, 0, 128), (255, 255, 255, 128)),
    "alpha that is not the mask": colour((0, 0, 0, 255), (255, 255, 255, 7)),
    "alpha of white": colour((255, 255, 255, 0), (255, 255, 255, 255)),
    "alpha of black": colour((0, 0, 0, 0), (0, 0, 0, 255)),
    "opaque LA": grey(0, 255).convert("LA"),
    "alpha of grey": Image.merge("LA", (grey(77, 77), grey(0, 255))),
    "smooth edges": smooth(),
    "smooth edges, RGB": smooth().convert("RGB"),
}


@pytest.mark.parametrize("kind", READ)
def test_masks_are_read_by_what_they_say(tmp_path, kind):
    path = tmp_path / "a.png"
    READ[kind].save(path, **({"transparency": READ[kind].info["transparency"]} if "transparency" in kind else {}))
    assert np.array_equal(read_mask([path]), TRUE)


@pytest.mark.parametrize("kind", ["0 and 1", "0 and 255", "VOC palette", "red on black", "mode 1"])
@pytest.mark.parametrize("suffix", ["tif", "bmp", "gif"])
def test_the_rule_is_the_same_in_other_formats(tmp_path, kind, suffix):
    path = tmp_path / f"a.{suffix}"
    READ[kind].save(path)
    assert np.array_equal(read_mask([path]), TRUE)


def test_jpeg_is_black_and_white_but_for_its_noise(tmp_path):
    for mode in ("L", "RGB"):
        path = tmp_path / f"{mode}.jpg"
        grey(0, 255).resize((320, 240), Image.Resampling.NEAREST).convert(mode).save(path, quality=60)
        assert len(np.unique(np.asarray(Image.open(path)))) > 2
        expected = resize_nearest(TRUE, (240, 320))
        assert np.count_nonzero(read_mask([path]) != expected) < 0.01 * expected.size
    grey(0, 127).save(tmp_path / "half.jpg")
    with pytest.raises(InputError, match=r"half\.jpg' holds the values 0, .* which do not say what is foreground"):
        read_mask([tmp_path / "half.jpg"])


@pytest.mark.parametrize(
    ("value", "kind", "foreground"),
    [
        *((0, np.uint8, False), (1, np.uint8, True), (255, np.uint8, True)),
        *((0, np.uint16, False), (1, np.uint16, True), (255, np.uint16, True), (65535, np.uint16, True)),
        *((0.0, np.float32, False), (1.0, np.float32, True)),
    ],
)
def test_masks_of_one_value_are_empty_or_whole(tmp_path, value, kind, foreground):
    path = tmp_path / "a.tif"
    grey(value, value, kind).save(path)
    assert (read_mask([path]) == foreground).all()


def test_a_mask_of_one_colour_is_empty_where_it_is_black(tmp_path):
    for name, image, foreground in (
        ("red", colour((90, 0, 0), (90, 0, 0)), True),
        ("black", colour((0, 0, 0), (0, 0, 0)), False),
        ("opaque black", colour((0, 0, 0, 255), (0, 0, 0, 255)), False),
        ("clear", colour((0, 0, 0, 0), (0, 0, 0, 0)), False),
    ):
        image.save(tmp_path / f"{name}.png")
        assert (read_mask([tmp_path / f"{name}.png"]) == foreground).all(), name


def labelled(*values, kind=np.uint8):
    """Columns of 8 pixels of each value."""
    return Image.fromarray(np.repeat(np.tile(np.array(values, kind), (16, 1)), 8, axis=1))


def rgb_of_16_bits():
    """A PNG of 0 and 1 in 16 bits a channel, of which Pillow keeps the upper 8: all 0."""
    rows = b"".join(b"\0" + b"\0\0\0\0\0\0" * 4 + b"\0\1\0\1\0\1" * 4 for _ in range(8))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


REFUSED = {
    "class indices": (labelled(0, 1, 2), "holds the values 0, 1, 2, which do not say what is foreground"),
    "a class and void": (labelled(0, 1, 255), "holds the values 0, 1, 255, which"),
    "three levels": (labelled(0, 128, 255), "holds the values 0, 128, 255, which"),
    "many classes": (labelled(*range(9)), "holds the values 0, 1, 2, 3, 4, 5 and 3 more, which"),
    "1 and 2": (labelled(1, 2), "holds the values 1, 2, which"),
    "128 and 255": (labelled(128, 255), "holds the values 128, 255, which"),
    "one value": (labelled(100), "holds the values 100, which"),
    "one deep value": (labelled(4096, kind=np.uint16), "holds the values 4096, which"),
    "classes of 16 bits": (labelled(0, 1, 2, kind=np.uint16), "holds the values 0, 1, 2, which"),
    "VOC with void": (palette((0, 0, 0, 128, 0, 0, 224, 224, 192), 1, 2), "(128, 0, 0), (224, 224, 192), which is not"),
    "red on white": (
        colour((255, 255, 255), (255, 0, 0)),
        "the colours (255, 0, 0), (255, 255, 255), which is not one",
    ),
    "photograph": (
        Image.fromarray(np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)),
        "holds more than 6 colours, which is not one colour on black",
    ),
    "not a number": (
        grey(0, float("nan"), np.float32),
        "holds values that are no numbers; save it as grey, 0 and 255",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_masks_that_say_something_else_are_refused_with_their_values(tmp_path, kind):
    image, sentence = REFUSED[kind]
    path = tmp_path / "a.tif"
    image.save(path)
    with pytest.raises(InputError) as raised:
        read_mask([path])
    assert str(raised.value).startswith(f"mask '{path}' ") and sentence in str(raised.value)


def test_sixteen_bits_a_channel_are_not_cut_to_eight():
    with pytest.raises(InputError, match="mask 'upload' has several channels of 16 bits; save it as grey, 0 and 255"):
        read_mask([rgb_of_16_bits()])


def test_no_pair_of_grey_levels_is_read_the_wrong_way_round():
    """Of every pair of grey levels: the larger is foreground, or the pair is refused. Never the smaller."""
    rng = np.random.default_rng(7)
    for low, high in rng.integers(0, 256, (300, 2)):
        if low == high:
            continue
        low, high = sorted((int(low), int(high)))
        content = io.BytesIO()
        grey(low, high).save(content, "PNG")
        try:
            assert np.array_equal(read_mask([content.getvalue()]), TRUE), (low, high)
            assert low == 0 or low <= 127 < high, (low, high)
        except InputError as error:
            assert low > 0 and f"{low}, {high}" in str(error), (low, high)


def test_several_masks_are_ored_and_must_be_of_one_size(tmp_path):
    left, right = TRUE.copy(), TRUE.copy()
    left[:, 16:] = right[:, :16] = False
    grey(0, 1, mask=left).save(tmp_path / "left.png")
    grey(0, 255, mask=right).save(tmp_path / "right.png")
    assert np.array_equal(read_mask([tmp_path / "left.png", tmp_path / "right.png"]), TRUE)
    grey(0, 255).crop((0, 0, 30, 24)).save(tmp_path / "right.png")
    with pytest.raises(InputError, match=r"right\.png' is 24x30 \(height x width\), its image 24x32; a mask must have"):
        read_mask([tmp_path / "left.png", tmp_path / "right.png"])


def test_board_quant_and_demo_read_the_same_mask_and_say_the_same_sentence(tmp_path):
    image, mask = tmp_path / "image.png", tmp_path / "mask.png"
    Image.new("L", SIZE[::-1]).save(image)
    spec, pair = IoSpec("n", 0, *SIZE, 3), Pair("image", image, (mask,))
    for found in READ.values():
        found.save(mask, **({"transparency": found.info["transparency"]} if "transparency" in found.info else {}))
        for truth in (
            read_pair(pair, SIZE)[1],
            read_pair_on_board(image, [mask], spec)[1],
            read_mask_of_demo(mask, SIZE),
        ):
            assert np.array_equal(truth, TRUE)
    small = resize_nearest(TRUE, (12, 16))
    assert np.array_equal(read_pair(pair, (12, 16))[1], small)
    assert np.array_equal(read_pair_on_board(image, [mask], IoSpec("n", 0, 12, 16, 3), resize=True)[1], small)
    sentence = r"mask\.png' holds the values 0, 1, 2, which do not say what is foreground; save it as 0 and 255"
    Image.fromarray((np.arange(SIZE[0] * SIZE[1]) % 3).reshape(SIZE).astype(np.uint8)).save(mask)
    for error, read in (
        (DataError, lambda: read_pair(pair, SIZE)),
        (InputError, lambda: read_pair_on_board(image, [mask], spec)),
        (ConfigError, lambda: read_mask_of_demo(mask, SIZE)),
    ):
        with pytest.raises(error, match=sentence):
            read()
    grey(0, 255).crop((0, 0, 30, 24)).save(mask)
    for error, read in (
        (DataError, lambda: read_pair(pair, SIZE)),
        (InputError, lambda: read_pair_on_board(image, [mask], spec)),
    ):
        with pytest.raises(error, match=r"is 24x30 \(height x width\), its image 24x32; a mask must have the size"):
            read()
