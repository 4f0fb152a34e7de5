"""A frame of the accelerator from image files, its truth from mask files; masks and overlays as PNG.

Together with ``image_files.py`` and ``mask_files.py`` what needs Pillow (PYNQ images have it).
"""

import contextlib
import io
import os

import numpy as np

from board.errors import InputError
from board.image_files import (
    Image,
    as_codes,
    check_eight_bits,
    in_colour,
    is_array,
    name_of,
    open_image,
    read_array,
    read_image,
    resize_array,
)
from board.mask_files import read_labels, read_mask, resize_nearest

TINT = np.array((255, 64, 64), np.uint16)


def check_image(path, spec, resize=False):
    """InputError unless ``read_codes`` takes the file, as far as its header tells."""
    if is_array(path):
        _check_size(read_array(path, spec.channels).shape, path, spec, resize)
        return
    with open_image(path) as image:
        check_eight_bits(image, path)
        if sorted(image.size) != sorted((spec.width, spec.height)):  # EXIF, which may lie at the end, may turn it
            _check_size(image.size[::-1], path, spec, resize)


def read_codes(path, spec, resize=False):
    """Codes (H, W, C) uint8 of the file, or of the bytes ``path``; InputError unless it is 8-bit and of the size.

    ``resize`` scales another size bilinearly instead of refusing it. Of any number of channels arrays are read, too.
    """
    return _read(path, spec, resize)[0]


def read_pair(path, mask_paths, spec, resize=False):
    """``read_codes`` of an image and its truth, of the size of a result, by nearest neighbour where it is scaled.

    Of one class the OR of its masks, bool; of several the one mask of class indices, uint8.
    """
    codes, size = _read(path, spec, resize)
    if spec.classes == 1:
        truth = read_mask(mask_paths, size)
    elif len(mask_paths) == 1:
        truth = read_labels(mask_paths[0], size, spec.classes)
    else:
        raise InputError(
            f"image '{name_of(path)}' has {len(mask_paths)} masks; of several classes it has one, of class indices"
        )
    return codes, resize_nearest(truth, spec.out_size)


def mask_png(mask):
    """Mask (H, W) bool as the bytes of a PNG, 0 and 255; class indices uint8 as a palette PNG of the indices."""
    if mask.dtype == np.bool_:
        return _png(Image.fromarray(mask.astype(np.uint8) * 255))
    indices = Image.fromarray(mask)
    indices.putpalette(palette().tobytes())
    return _png(indices)


def overlay_png(codes, mask):
    """The image with the mask tinted red, or each class but 0 in its colour, as the bytes of a PNG.

    A mask of another size is scaled to that of the image, by nearest neighbour.
    """
    colours, mask = in_colour(codes), resize_nearest(mask, codes.shape[:2])
    tints = TINT if mask.dtype == np.bool_ else palette()[mask].astype(np.uint16)
    tinted = np.where((mask > 0)[..., None], (colours.astype(np.uint16) + tints) // 2, colours)
    return _png(Image.fromarray(tinted.astype(np.uint8)))


def palette():
    """Colours (256, 3) uint8 of class indices, those of PASCAL VOC: the bits of an index, spread over red to blue."""
    index, colours = np.arange(256), np.zeros((256, 3), np.uint8)
    for place in range(8):
        for channel in range(3):
            colours[:, channel] |= ((index >> (3 * place + channel) & 1) << (7 - place)).astype(np.uint8)
    return colours


def write_file(path, content):
    """Writes ``content`` whole or not at all; InputError where that fails."""
    partial = f"{path}.partial"
    try:
        with open(partial, "wb") as opened:
            opened.write(content)
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"'{path}' cannot be written ({error.strerror}); check the folder and its space") from None
    finally:  # after Ctrl-C, too
        with contextlib.suppress(OSError):
            os.remove(partial)


def _read(path, spec, resize):
    """Codes (H, W, C) uint8 of the network's size, and the (H, W) that the file has."""
    if is_array(path):
        codes = read_array(path, spec.channels)
        _check_size(codes.shape, path, spec, resize)
        size = codes.shape[:2]
        return (codes if size == (spec.height, spec.width) else resize_array(codes, (spec.height, spec.width))), size
    image = read_image(path, spec.channels)
    size = (image.height, image.width)
    _check_size(size, path, spec, resize)
    if size != (spec.height, spec.width):
        image = image.resize((spec.width, spec.height), Image.BILINEAR)
    return as_codes(image), size


def _check_size(size, path, spec, resize):
    if tuple(size[:2]) != (spec.height, spec.width) and not resize:
        raise InputError(
            f"image '{name_of(path)}' is {size[0]}x{size[1]} (height x width), the network takes "
            f"{spec.height}x{spec.width}; resize it, or let --resize do it"
        )


def _png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
