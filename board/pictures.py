"""Image files: codes in, masks and overlays out. The one file that needs Pillow (PYNQ images have it)."""

import io
import os

import numpy as np

from board.errors import InputError

try:
    from PIL import Image, UnidentifiedImageError
except ImportError:
    raise InputError("Pillow is not installed, so no image files can be read; pip install pillow") from None

EIGHT_BIT_MODES = ("L", "RGB", "RGBA", "P", "LA", "1")
MASK_THRESHOLD = 127  # above it a pixel of a mask file is foreground
TINT = np.array((255, 64, 64), np.uint16)


def read_codes(path, spec, resize=False):
    """Codes (H, W, C) uint8 of the file, or of the bytes ``path``; InputError unless it is 8-bit and of the size.

    ``resize`` scales another size bilinearly instead of refusing it.
    """
    name = "upload" if isinstance(path, bytes) else path
    image = _open(path)
    if image.mode not in EIGHT_BIT_MODES:
        raise InputError(f"image '{name}' is not 8-bit (Pillow mode {image.mode}); convert it to 8-bit grey or RGB")
    codes = image.convert({1: "L", 3: "RGB"}.get(spec.channels, "RGB"))
    if codes.size != (spec.width, spec.height):
        if not resize:
            raise InputError(
                f"image '{name}' is {image.height}x{image.width} (height x width), the network takes "
                f"{spec.height}x{spec.width}; resize it, or let --resize do it"
            )
        codes = codes.resize((spec.width, spec.height), Image.BILINEAR)
    return np.asarray(codes).reshape(spec.height, spec.width, -1)


def read_mask(path, spec):
    """Mask (H, W) bool of the file: brighter than half of 255; another size is scaled by nearest neighbour."""
    image = _open(path).convert("L")
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
    """Writes ``content`` whole or not at all."""
    partial = f"{path}.partial"
    with open(partial, "wb") as opened:
        opened.write(content)
    os.replace(partial, path)


def _open(path):
    try:
        image = Image.open(io.BytesIO(path) if isinstance(path, bytes) else path)
        image.load()
    except FileNotFoundError:
        raise InputError(f"image '{path}' does not exist; check the path") from None
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        shown = "upload" if isinstance(path, bytes) else path
        reason = "not an image that Pillow knows" if isinstance(error, UnidentifiedImageError) else error
        raise InputError(f"image '{shown}' cannot be read ({reason}); replace it") from None
    return image


def _png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()
