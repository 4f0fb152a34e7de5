"""Image files: codes in, masks and overlays out. The one file that needs Pillow (PYNQ images have it)."""

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
EIGHT_BIT_MODES = ("L", "RGB", "RGBA", "P", "LA", "1")
MAX_PIXELS = 1 << 25  # of a file: three bytes each must fit the memory of a small board
MASK_THRESHOLD = 127  # above it a pixel of a mask file is foreground
TINT = np.array((255, 64, 64), np.uint16)

warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # begins above MAX_PIXELS


def check_image(path, spec, resize=False):
    """InputError unless :func:`read_codes` takes the file, as far as its header tells."""
    with _open(path) as image:
        _check(image, path, spec, resize)


def read_codes(path, spec, resize=False):
    """Codes (H, W, C) uint8 of the file, or of the bytes ``path``; InputError unless it is 8-bit and of the size.

    ``resize`` scales another size bilinearly instead of refusing it.
    """
    with _open(path) as image:
        _check(image, path, spec, resize)
        codes = _convert(image, path, {1: "L", 3: "RGB"}.get(spec.channels, "RGB"))
    if codes.size != (spec.width, spec.height):
        codes = codes.resize((spec.width, spec.height), Image.BILINEAR)
    return np.asarray(codes).reshape(spec.height, spec.width, -1)


def read_mask(path, spec):
    """Mask (H, W) bool of the file: brighter than half of 255; another size is scaled by nearest neighbour."""
    with _open(path) as opened:
        image = _convert(opened, path, "L")
    if image.size != (spec.width, spec.height):
        image = image.resize((spec.width, spec.height), Image.NEAREST)
    return np.asarray(image) > MASK_THRESHOLD


def mask_png(mask):
    """Mask (H, W) bool as the bytes of a PNG, 0 and 255."""
    return _png(mask.astype(np.uint8) * 255)


def overlay_png(codes, mask):
    """The image with the mask tinted red, as the bytes of a PNG."""
    colours = np.repeat(codes, 3, axis=2) if codes.shape[2] == 1 else codes
    tinted = np.where(mask[..., None], (colours.astype(np.uint16) + TINT) // 2, colours)
    return _png(tinted.astype(np.uint8))


def write_file(path, content):
    """Writes ``content`` whole or not at all; InputError where that fails."""
    partial = f"{path}.partial"
    try:
        with open(partial, "wb") as opened:
            opened.write(content)
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.remove(partial)
        raise InputError(f"'{path}' cannot be written ({error.strerror}); check the folder and its space") from None


def _open(path):
    """The image with its header read, not yet its pixels."""
    try:
        image = Image.open(io.BytesIO(path) if isinstance(path, bytes) else path, formats=FORMATS)
    except FileNotFoundError:
        raise InputError(f"image '{path}' does not exist; check the path") from None
    except UnidentifiedImageError:
        raise InputError(f"image '{_name(path)}' is none of {', '.join(FORMATS)}; convert it") from None
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"image '{_name(path)}' cannot be read ({error}); replace it") from None
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise InputError(
            f"image '{_name(path)}' has {image.width * image.height} pixels, more than {MAX_PIXELS}; scale it down"
        )
    return image


def _check(image, path, spec, resize):
    if image.mode not in EIGHT_BIT_MODES:
        raise InputError(
            f"image '{_name(path)}' is not 8-bit grey or RGB (Pillow mode {image.mode}); convert it to one of them"
        )
    if image.size != (spec.width, spec.height) and not resize:
        raise InputError(
            f"image '{_name(path)}' is {image.height}x{image.width} (height x width), the network takes "
            f"{spec.height}x{spec.width}; resize it, or let --resize do it"
        )


def _convert(image, path, mode):
    try:
        return image.convert(mode)
    except (OSError, ValueError, SyntaxError, EOFError) as error:  # SyntaxError: Pillow's for a broken PNG
        raise InputError(f"image '{_name(path)}' cannot be read ({error}); replace it") from None


def _name(path):
    return "upload" if isinstance(path, bytes) else path


def _png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()
