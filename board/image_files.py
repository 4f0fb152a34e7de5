"""Image files as 8-bit codes: the one place that opens them, for ``board``, ``quant`` and ``hw_build`` alike.

Images of any number of channels, as slices of a volume side by side, are arrays of numpy (``.npy``): ``read_array``.

An image is turned as its EXIF orientation says. Grey levels and colours are taken as they are stored, CMYK becomes RGB
as (255 - C)(255 - K) / 255 and so on, without a colour profile, and alpha is left out where the network does not take
four channels. What cannot be read so is refused by one sentence: an ``InputError`` that names the file.
"""

import contextlib
import io
import os
import warnings

import numpy as np

from board.errors import InputError

try:
    from PIL import Image, UnidentifiedImageError
except ImportError:
    raise InputError("Pillow is not installed, so no image files can be read; pip install pillow") from None

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # not EPS: Pillow would hand an upload to Ghostscript
MAX_PIXELS = 1 << 25  # of a file on a small board: three bytes each must fit its memory
EIGHT_BIT_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
DEEP_GREY_MODES = ("I;16", "I;16L", "I;16B", "I", "F")
ARRAY = ".npy"
ARRAY_BEGINS = b"\x93NUMPY"
MODE_OF_CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}  # of Pillow, by the channels that a network takes
_STRAIGHT_ALPHA = {"La": "LA", "RGBa": "RGBA"}  # of modes whose colours are multiplied by alpha
_ORIENTATION = 0x0112  # of EXIF; 1 is upright
_TURNS = {  # names in Pillow's module, old and new, of which type checkers do not know
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}

warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # files too large are refused here, by their headers


@contextlib.contextmanager
def open_image(source, max_pixels=MAX_PIXELS):
    """A context: the Pillow image of a path, or of the bytes of a file, with its header read and not yet its pixels.

    InputError: missing, empty, none of ``FORMATS``, of more than ``max_pixels``, or several pictures in one file.
    """
    # never by its path: Pillow would map an uncompressed TIFF into memory, and garble it where its orientation turns it
    with _open_file(source) as content:
        try:
            image = Image.open(content, formats=FORMATS)
        except UnidentifiedImageError:
            raise InputError(f"image '{name_of(source)}' is none of {', '.join(FORMATS)}; convert it") from None
        except Image.DecompressionBombError:
            raise InputError(f"image '{name_of(source)}' has more pixels than {max_pixels}; scale it down") from None
        except Exception as error:
            raise _unreadable(source, error) from error
        with image:
            _check_pixels_and_pictures(image, source, max_pixels)
            yield image


def check_eight_bits(image, source):
    """InputError unless ``read_image`` takes what ``open_image`` has opened, as far as its header tells."""
    remedy = "convert it to 8-bit grey or RGB"
    if image.mode in DEEP_GREY_MODES:
        raise InputError(f"image '{name_of(source)}' is not 8-bit (Pillow mode {image.mode}); {remedy}")
    if image.mode not in EIGHT_BIT_MODES:
        raise InputError(f"image '{name_of(source)}' is neither grey nor RGB (Pillow mode {image.mode}); {remedy}")
    if has_deep_channels(image):
        raise InputError(f"image '{name_of(source)}' is not 8-bit (16 bits per channel); {remedy}")


def read_image(source, channels=3, max_pixels=MAX_PIXELS):
    """The upright image of a path, or of the bytes of a file, as a Pillow image of 1, 3 or 4 ``channels``.

    InputError: as ``open_image``, or damaged, or not 8-bit, or drawn in alpha alone; another number of channels.
    """
    if channels not in MODE_OF_CHANNELS:
        raise InputError(
            f"image '{name_of(source)}' has 1, 3 or 4 channels, the network takes {channels}; give an array, uint8 "
            f"(height, width, {channels}) in a file {ARRAY}"
        )
    with open_image(source, max_pixels) as opened:
        check_eight_bits(opened, source)
        image = upright(opened, source)
        if channels == 4:
            return image.convert(_STRAIGHT_ALPHA.get(image.mode, image.mode)).convert("RGBA")
        colours, alpha = separate_alpha(image)
        if alpha is not None and len(alpha.getcolors()) > 1 and colours.convert("RGB").getcolors(1):
            raise InputError(
                f"image '{name_of(source)}' has one colour, and its picture is in its alpha alone; flatten it to RGB"
            )
        return colours.convert(MODE_OF_CHANNELS[channels])


def as_codes(image):
    """Codes (H, W, C) uint8 of ``read_image``."""
    return np.asarray(image).reshape(image.height, image.width, -1)


def is_array(source):
    """Whether a path, or the bytes of a file, are an array and no image."""
    return source.startswith(ARRAY_BEGINS) if isinstance(source, bytes) else str(source).lower().endswith(ARRAY)


def read_array(source, channels, max_pixels=MAX_PIXELS):
    """Codes (H, W, ``channels``) uint8 of the path of an array, or of its bytes; of one channel also (H, W).

    InputError: missing, damaged, of another type or number of channels, or of more than ``max_pixels``.
    """
    with _open_file(source) as content:
        try:
            shape, dtype = _array_header(content)
        except Exception as error:
            raise _unreadable(source, error) from error
        image = (*shape, 1) if len(shape) == 2 else shape
        if dtype != np.uint8 or len(image) != 3 or image[2] != channels or 0 in image:
            raise InputError(
                f"array '{name_of(source)}' is {dtype} {shape}, the network takes uint8 (height, width, {channels}); "
                "save it so"
            )
        if image[0] * image[1] > max_pixels:
            raise InputError(f"array '{name_of(source)}' has more than {max_pixels} pixels; scale it down")
        try:
            return np.ascontiguousarray(np.load(content, allow_pickle=False).reshape(image))
        except Exception as error:
            raise _unreadable(source, error) from error


def _array_header(content):
    """(shape, dtype) of an array in an open file, which stands at its beginning afterwards."""
    versions = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = versions[np.lib.format.read_magic(content)](content)
    content.seek(0)
    return shape, dtype


def resize_array(codes, size):
    """Codes (H, W, C) at ``size`` (H, W), each channel bilinearly."""
    planes = [Image.fromarray(codes[..., channel]) for channel in range(codes.shape[2])]
    return np.stack([np.asarray(plane.resize((size[1], size[0]), Image.BILINEAR)) for plane in planes], axis=2)


def in_colour(codes):
    """Codes (..., C) as colours (..., 3): alpha left out; of 1, 2, 5 and more channels the middle one in grey."""
    channels = codes.shape[-1]
    return codes[..., :3] if channels in (3, 4) else np.repeat(codes[..., channels // 2, None], 3, axis=-1)


def upright(image, source):
    """``image`` loaded, and turned as its EXIF orientation says; InputError where its pixels are damaged."""
    try:
        image.load()
        # Pillow turns a TIFF itself as it loads
        turn = None if image.format == "TIFF" else _TURNS.get(image.getexif().get(_ORIENTATION))
        return image if turn is None else image.transpose(getattr(Image, turn))
    except Exception as error:
        raise _unreadable(source, error) from error


def separate_alpha(image):
    """(``image`` without its alpha, its alpha as mode L or None), for a loaded image of ``EIGHT_BIT_MODES``."""
    image = image.convert(_STRAIGHT_ALPHA.get(image.mode, image.mode))
    if image.mode == "P" and "transparency" not in image.info:
        return image, None
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        full = image.convert("RGBA")
        return full.convert("RGB"), full.getchannel("A")
    return image, None


def has_deep_channels(image):
    """Whether a file of ``open_image`` holds 16 bits a channel of several, of which Pillow would drop the lower 8."""
    if image.format == "TIFF":
        return len(image.getbands()) > 1 and max(image.tag_v2.get(258, (8,))) > 8
    if image.format not in ("PNG", "PPM") or image.mode not in EIGHT_BIT_MODES or not image.tile:
        return False
    arguments = image.tile[0][3]
    parts = arguments if isinstance(arguments, tuple) else (arguments,)
    return any(";16" in part if isinstance(part, str) else (part or 0) > 255 for part in parts)


def name_of(source):
    """What to call a path, or the bytes of a file."""
    return "upload" if isinstance(source, bytes) else source


def _open_file(source):
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if os.path.isdir(source):
        raise InputError(f"image '{name_of(source)}' is a folder; give files of images, or a scan as NIfTI")
    if os.path.exists(source) and not os.path.isfile(source):  # opening a pipe may wait
        raise InputError(f"image '{source}' is a device or a pipe; give a file")
    try:
        return open(source, "rb")
    except FileNotFoundError:
        raise InputError(f"image '{source}' does not exist; check the path") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a zero in it
        raise _unreadable(source, getattr(error, "strerror", None) or error) from error


def _check_pixels_and_pictures(image, source, max_pixels):
    pixels = image.width * image.height
    if pixels > max_pixels:
        raise InputError(f"image '{name_of(source)}' has {pixels} pixels, more than {max_pixels}; scale it down")
    if image.format == "MPO":  # a JPEG with previews after it
        return
    try:
        pictures = getattr(image, "n_frames", 1)
    except Exception as error:
        raise _unreadable(source, error) from error
    if pictures > 1:
        raise InputError(f"image '{name_of(source)}' holds {pictures} pictures; save the one that is meant")


def _unreadable(source, error):
    return InputError(f"image '{name_of(source)}' cannot be read ({error or type(error).__name__}); replace the file")
