"""Image files: orientation, kinds, sizes, the same for board, quant and hw_build; a sentence for every broken file."""

import io
import os
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from board.errors import InputError
from board.image_files import read_image
from board.io_spec import IoSpec
from board.mask_files import read_mask
from board.pictures import check_image
from board.pictures import read_codes as read_codes_on_board
from board.pictures import read_pair as read_pair_on_board
from hw_build.base.errors import ConfigError
from hw_build.base.image import read_image as read_image_of_demo
from quant.base.errors import DataError
from quant.data.layouts import Pair
from quant.data.pairs import read_codes, read_pair

HEIGHT, WIDTH = 16, 24
ORIENTATION = 0x0112
# how the pixels of a file were turned, that EXIF's value undoes
STORED = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: upright[::-1, ::-1],
    4: np.flipud,
    5: lambda upright: upright.swapaxes(0, 1),
    6: np.rot90,  # the camera was held so that the file lies a quarter turn anticlockwise
    7: lambda upright: upright[::-1, ::-1].swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


def pixels(seed=3, kind=np.uint8):
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(kind)


def save_turned(path, upright, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(np.ascontiguousarray(STORED[orientation](upright))).save(path, exif=exif)


def every_reading(path, size=(HEIGHT, WIDTH)):
    spec = IoSpec("n", 0, *size, 3)
    check_image(path, spec)
    return read_codes(path, None), read_codes_on_board(path, spec), read_image_of_demo(path, size)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_orientation_is_honoured_in_images_and_masks(tmp_path, orientation, suffix):
    image, upright = tmp_path / f"image.{suffix}", pixels()
    if suffix == "webp":
        upright = np.where(upright > 127, 255, 0).astype(np.uint8).repeat(4, 0).repeat(4, 1)  # lossy: compared coarsely
    truth = upright[..., 0] > 127
    save_turned(image, upright, orientation)
    mask = tmp_path / f"mask.{'png' if suffix == 'webp' else suffix}"
    save_turned(mask, np.where(truth, 255, 0).astype(np.uint8), orientation)
    size = truth.shape
    for codes in every_reading(image, size):
        assert codes.shape == upright.shape
        difference = np.abs(codes.astype(int) - upright)
        assert difference.mean() < 60 if suffix == "webp" else not difference.any()
    assert np.array_equal(read_pair(Pair("image", image, (mask,)), None)[1], truth)
    assert np.array_equal(read_pair_on_board(image, [mask], IoSpec("n", 0, *size, 3))[1], truth)


def test_orientation_of_a_photograph_turns_it_before_it_is_scaled(tmp_path):
    """A JPEG of a dark left and a bright right half, taken upright: stored a quarter turn off."""
    upright = np.zeros((64, 32, 3), np.uint8)
    upright[:, 16:] = 250
    save_turned(tmp_path / "a.jpg", upright, 6)
    assert Image.open(tmp_path / "a.jpg").size == (64, 32)
    for codes in (
        read_codes(tmp_path / "a.jpg", (32, 16)),
        read_codes_on_board(tmp_path / "a.jpg", IoSpec("n", 0, 32, 16, 3), resize=True),
    ):
        assert codes[:, :7].max() < 20 and codes[:, 9:].min() > 230
    with pytest.raises(InputError, match=r"is 64x32 \(height x width\), the network takes 32x64"):
        read_codes_on_board(tmp_path / "a.jpg", IoSpec("n", 0, 32, 64, 3))


def test_a_mask_whose_image_alone_is_turned_is_refused(tmp_path):
    save_turned(tmp_path / "a.jpg", pixels(), 6)
    Image.fromarray(np.ascontiguousarray(STORED[6](pixels()[..., 0] > 127))).save(tmp_path / "mask.png")
    with pytest.raises(
        DataError, match=r"mask\.png' is 24x16 \(height x width\), its image 16x24; a mask must have the size"
    ):
        read_pair(Pair("a", tmp_path / "a.jpg", (tmp_path / "mask.png",)), (16, 16))


def test_kinds_of_eight_bit_images(tmp_path):
    rgb = Image.fromarray(pixels())
    grey = rgb.convert("L")
    alpha = Image.fromarray(pixels(4)[..., 0])
    with_alpha = rgb.copy()
    with_alpha.putalpha(alpha)
    for name, image, expected in (
        ("grey", grey, grey),
        ("bits", grey.convert("1"), grey.convert("1")),
        ("palette", rgb.quantize(64), rgb.quantize(64)),
        ("alpha", with_alpha, rgb),
        ("grey alpha", Image.merge("LA", (grey, alpha)), grey),
    ):
        image.save(tmp_path / f"{name}.png")
        for codes in every_reading(tmp_path / f"{name}.png"):
            assert np.array_equal(codes, np.asarray(expected.convert("RGB"))), name
    for channels, mode in ((1, "L"), (3, "RGB"), (4, "RGBA")):
        expected = np.asarray(with_alpha.convert(mode)).reshape(HEIGHT, WIDTH, channels)
        for codes in (
            read_codes(tmp_path / "alpha.png", None, channels),
            read_codes_on_board(tmp_path / "alpha.png", IoSpec("n", 0, HEIGHT, WIDTH, channels)),
            read_image_of_demo(tmp_path / "alpha.png", (HEIGHT, WIDTH), channels),
        ):
            assert np.array_equal(codes, expected)
    with pytest.raises(DataError, match="has 1, 3 or 4 channels, the network takes 2; give an array, uint8"):
        read_codes(tmp_path / "grey.png", None, 2)


def test_cmyk_is_converted(tmp_path):
    ink = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 4)).astype(np.uint8)
    Image.fromarray(ink, mode="CMYK").save(tmp_path / "a.tif")
    colours = (255 - ink[..., :3].astype(int)) * (255 - ink[..., 3:].astype(int)) / 255
    for codes in every_reading(tmp_path / "a.tif"):
        assert np.abs(codes - colours).max() <= 1
    smooth = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    smooth[..., 0] = 200
    Image.fromarray(smooth, mode="CMYK").save(tmp_path / "a.jpg")
    for codes in every_reading(tmp_path / "a.jpg"):
        assert np.abs(codes.astype(int) - (55, 255, 255)).max() <= 4


def png_of_16_bits(colour_type, channels):
    rows = b"".join(b"\0" + bytes(range(2 * channels * WIDTH)) for _ in range(HEIGHT))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, colour_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def animation(kind):
    content = io.BytesIO()
    frames = [Image.fromarray(pixels(seed)).convert("RGB") for seed in (1, 2)]
    frames[0].save(content, kind, save_all=True, append_images=frames[1:])
    return content.getvalue()


def whole(kind, mode="RGB", **options):
    content = io.BytesIO()
    Image.fromarray(pixels()).convert(mode).save(content, kind, **options)
    return content.getvalue()


def alpha_alone():
    content = io.BytesIO()
    image = Image.new("RGBA", (WIDTH, HEIGHT))
    image.putalpha(Image.fromarray(pixels()[..., 0]))
    image.save(content, "PNG")
    return content.getvalue()


REFUSED = {
    "grey of 16 bits": (png_of_16_bits(0, 1), r"is not 8-bit \(Pillow mode I;16\); convert it to 8-bit grey or RGB"),
    "RGB of 16 bits": (png_of_16_bits(2, 3), r"is not 8-bit \(16 bits per channel\); convert it to 8-bit grey or RGB"),
    "LA of 16 bits": (png_of_16_bits(4, 2), r"is not 8-bit \(16 bits per channel\)"),
    "RGBA of 16 bits": (png_of_16_bits(6, 4), r"is not 8-bit \(16 bits per channel\)"),
    "PPM of 16 bits": (b"P6 24 16 65535\n" + bytes(24 * 16 * 6), r"is not 8-bit \(16 bits per channel\)"),
    "floats": (whole("TIFF", "F"), r"is not 8-bit \(Pillow mode F\)"),
    "LAB": (whole("TIFF", "LAB"), r"is neither grey nor RGB \(Pillow mode LAB\); convert it"),
    "alpha alone": (alpha_alone(), "has one colour, and its picture is in its alpha alone; flatten it to RGB"),
    "animated GIF": (animation("GIF"), "holds 2 pictures; save the one that is meant"),
    "animated PNG": (animation("PNG"), "holds 2 pictures; save the one that is meant"),
    "TIFF of two pages": (animation("TIFF"), "holds 2 pictures; save the one that is meant"),
    "empty": (b"", "is none of PNG, JPEG, BMP, GIF, TIFF, WEBP, PPM; convert it"),
    "text": (b"no image", "is none of PNG, JPEG"),
    "half a PNG": (whole("PNG")[:600], r"cannot be read \(.+\); replace the file"),
    "half a JPEG": (whole("JPEG")[:-100], r"cannot be read \(.+\); replace the file"),
    "half a GIF": (whole("GIF", "P")[:-100], r"cannot be read \(.+\); replace the file"),
    "half a BMP": (whole("BMP")[:-100], r"cannot be read \(.+\); replace the file"),
    "225 million pixels": (whole("BMP").replace(struct.pack("<II", WIDTH, HEIGHT), struct.pack("<II", 15000, 15000), 1),
                           "has more pixels than [0-9]+; scale it down"),
    "170 million pixels": (whole("BMP").replace(struct.pack("<II", WIDTH, HEIGHT), struct.pack("<II", 17000, 10000), 1),
                           "has 170000000 pixels, more than [0-9]+; scale it down"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # pytest puts its own filters first
@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_is_one_sentence_everywhere(tmp_path, kind):
    content, sentence = REFUSED[kind]
    path = tmp_path / "a.png"
    path.write_bytes(content)
    for error, read in (
        (DataError, lambda: read_codes(path, None)),
        (InputError, lambda: read_codes_on_board(path, IoSpec("n", 0, HEIGHT, WIDTH, 3))),
        (ConfigError, lambda: read_image_of_demo(path, (HEIGHT, WIDTH))),
    ):
        with pytest.raises(error, match=rf"^image '.*a\.png' {sentence}") as raised:
            read()
        assert "\n" not in str(raised.value)


def test_a_small_board_takes_fewer_pixels_than_training(tmp_path):
    Image.new("1", (8192, 4097)).save(tmp_path / "a.png")
    assert read_codes(tmp_path / "a.png", (16, 16)).shape == (16, 16, 3)
    with pytest.raises(InputError, match="has 33562624 pixels, more than 33554432; scale it down"):
        read_image(tmp_path / "a.png")


def test_missing_files_and_folders(tmp_path):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "broken.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    for name, sentence in (
        ("none.png", "does not exist; check the path"),
        ("broken.png", "does not exist; check the path"),
        ("pipe.png", "is a device or a pipe; give a file"),
        ("folder.png", r"is a folder; give files of images, or a scan as NIfTI"),
        ("loop.png", r"cannot be read \(.*Too many levels"),
        ("a\0b.png", r"cannot be read \(.*null"),
    ):
        with pytest.raises(DataError, match=rf"(?s)^image '.*{name}' {sentence}"):
            read_codes(tmp_path / name, None)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of broken EXIF
def test_damaged_files_are_read_or_refused_by_one_sentence(capfd):
    """600 files of all formats with a few bytes changed or the end cut off; what libtiff says beside is its own."""
    seed = 11
    chance = random.Random(seed)
    files = [
        *(whole("PNG", mode) for mode in ("L", "RGB", "RGBA", "P", "1")),
        *(whole("JPEG", mode) for mode in ("L", "RGB", "CMYK")),
        *(whole("TIFF", "RGB", compression=kind) for kind in ("raw", "tiff_lzw", "jpeg")),
        *(whole("BMP"), whole("GIF", "P"), whole("WEBP"), whole("PPM"), whole("PPM", "L"), whole("PPM", "1")),
    ]
    read = refused = 0
    for attempt in range(600):
        content = bytearray(chance.choice(files))
        if chance.random() < 0.3:
            del content[chance.randrange(1, len(content)) :]
        for _ in range(chance.choice((1, 1, 2, 5, 20))):
            content[int(chance.random() ** 2 * len(content))] = chance.randrange(256)
        for reader in (read_image, lambda source: read_mask([source])):
            try:
                reader(bytes(content))
                read += 1
            except InputError as error:
                refused += 1
                assert "upload" in str(error), (seed, attempt)
    assert read > 50 and refused > 500
