"""A frame of the accelerator from image files, its truth from mask files; masks and overlays as PNG.

Together with ``image_files.py`` and ``mask_files.py`` what needs Pillow (PYNQ images have it).
"""

import contextlib
import io
import os

import numpy as np

from board.errors import InputError
from board.image_files import Image, as_codes, check_eight_bits, name_of, open_image, read_image
from board.mask_files import read_mask, resize_nearest

TINT = np.array((255, 64, 64), np.uint16)


def check_image(path, spec, resize=False):
    """InputError unless ``read_codes`` takes the file, as far as its header tells."""
    with open_image(path) as image:
        check_eight_bits(image, path)
        if sorted(image.size) != sorted((spec.width, spec.height)):  # EXIF, which may lie at the end, may turn it
            _check_size(image, path, spec, resize)


def read_codes(path, spec, resize=False):
    """Codes (H, W, C) uint8 of the file, or of the bytes ``path``; InputError unless it is 8-bit and of the size.

    ``resize`` scales another size bilinearly instead of refusing it.
    """
    return _codes(read_image(path, spec.channels), path, spec, resize)


def read_pair(path, mask_paths, spec, resize=False):
    """``read_codes`` of an image, and the OR (H, W) bool of its masks, by nearest neighbour where it is scaled."""
    image = read_image(path, spec.channels)
    codes = _codes(image, path, spec, resize)
    truth = read_mask(mask_paths, (image.height, image.width))
    return codes, resize_nearest(truth, (spec.height, spec.width))


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


def _codes(image, path, spec, resize):
    _check_size(image, path, spec, resize)
    if image.size != (spec.width, spec.height):
        image = image.resize((spec.width, spec.height), Image.BILINEAR)
    return as_codes(image)


def _check_size(image, path, spec, resize):
    if image.size != (spec.width, spec.height) and not resize:
        raise InputError(
            f"image '{name_of(path)}' is {image.height}x{image.width} (height x width), the network takes "
            f"{spec.height}x{spec.width}; resize it, or let --resize do it"
        )


def _png(array):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()
