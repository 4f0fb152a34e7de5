"""Mask files as bool: the one place that decides what is foreground, for ``board``, ``quant`` and ``hw_build`` alike.

Background is 0, or black; foreground is the one other value or colour, whatever it is: 0 and 1, 0 and 127, 0 and 255,
16 bits, a palette's dark red on black. Where a grey mask holds more values, or two without 0, it must be dark and
light with blends between them, of smooth edges or of JPEG, and foreground is what lies above half. Alpha counts only
where all colours are equal. A mask of one value is empty where that is 0, whole where it is 1, above half, or a colour.
Every other mask is refused by one sentence with its values, for it may mean something else: class indices, a second
label, white drawn on red. Of several classes a mask is one file whose values are the indices: ``read_labels``.
"""

import numpy as np

from board.errors import InputError
from board.image_files import (
    DEEP_GREY_MODES,
    EIGHT_BIT_MODES,
    MAX_PIXELS,
    Image,
    has_deep_channels,
    name_of,
    open_image,
    separate_alpha,
    upright,
)

WHITES = (255, 65535)  # white of a file is the least of them that is not below its values; also 1, of floats
LABEL_VALUES = 32  # a lossless mask of at most so many values may be a map of labels
GREY_SPREAD = 16  # between the channels of a colour that is grey but for JPEG
SHOWN_VALUES = 6
LABEL_MODES = ("1", "L", "P", "I;16", "I;16B", "I")
GREY_STEPS = {"L;2": 85, "L;4": 17}  # how far Pillow spreads the levels of a grey PNG of 2 and 4 bits


def read_mask(sources, image_size=None, max_pixels=MAX_PIXELS):
    """The OR of mask files, of paths or of bytes: (H, W) bool, upright as their EXIF orientation says.

    ``image_size``: (H, W) that each must have, that of the upright image. InputError: as ``image_files.open_image``, or
    damaged, of another size, or of values that do not say what is foreground.
    """
    merged = None
    for source in sources:
        mask = _foreground(source, max_pixels)
        expected = (image_size or mask.shape) if merged is None else merged.shape
        if mask.shape != tuple(expected):
            raise _of_other_size(source, mask.shape, expected)
        merged = mask if merged is None else merged | mask
    return merged


def read_labels(source, image_size, classes, max_pixels=MAX_PIXELS):
    """Class indices (H, W) uint8 of a grey or palette image whose values are the indices, upright.

    ``image_size``: (H, W) that it must have. InputError: as ``image_files.open_image``, or damaged, of another size, of
    colours or JPEG, or with an index that is none of ``classes``.
    """
    with open_image(source, max_pixels) as opened:
        if opened.mode not in LABEL_MODES:
            raise InputError(
                f"mask '{name_of(source)}' has Pillow mode {opened.mode}; class indices are a grey (L) or palette (P) "
                "image"
            )
        if opened.format in ("JPEG", "MPO"):
            raise InputError(f"mask '{name_of(source)}' is a JPEG, which changes class indices; save it as PNG")
        step = GREY_STEPS.get(opened.tile[0][3], 1) if opened.format == "PNG" else 1
        labels = np.asarray(upright(opened, source))
    labels = labels.astype(np.int32) // step
    if labels.shape != tuple(image_size):
        raise _of_other_size(source, labels.shape, image_size)
    wrong = labels.min() if labels.min() < 0 else labels.max()
    if not 0 <= wrong < classes:
        raise InputError(
            f"mask '{name_of(source)}' holds index {wrong}, but classes are 0 to {classes - 1}; give as many classes "
            "as the masks hold"
        )
    return labels.astype(np.uint8)


def resize_nearest(values, size):
    """Masks or class indices (H, W), bool or uint8, at ``size`` (H, W), by nearest neighbour."""
    if values.shape == tuple(size):
        return values
    return np.asarray(Image.fromarray(values).resize((size[1], size[0]), Image.NEAREST))


def _of_other_size(source, size, expected):
    return InputError(
        f"mask '{name_of(source)}' is {size[0]}x{size[1]} (height x width), its image {expected[0]}x{expected[1]}; "
        "a mask must have the size of its image"
    )


def _foreground(source, max_pixels):
    with open_image(source, max_pixels) as opened:
        if opened.mode not in (*EIGHT_BIT_MODES, *DEEP_GREY_MODES):
            raise InputError(
                f"mask '{name_of(source)}' has Pillow mode {opened.mode}; save it as 8-bit grey, 0 and 255"
            )
        if has_deep_channels(opened):
            raise InputError(f"mask '{name_of(source)}' has several channels of 16 bits; save it as grey, 0 and 255")
        lossy = opened.format in ("JPEG", "MPO", "WEBP") or opened.info.get("compression") == "jpeg"
        image = upright(opened, source)
        if image.mode in DEEP_GREY_MODES:
            return _of_grey(np.asarray(image), source, lossy)
        return _of_colours(image, source, lossy)


def _of_colours(image, source, lossy):
    colours, alpha = separate_alpha(image)
    if alpha is not None and len(alpha.getcolors()) > 1 and colours.convert("RGB").getcolors(1):
        return _of_grey(np.asarray(alpha), source, lossy)
    rgb = np.asarray(colours.convert("RGB"))
    if colours.mode == "P" and len(colours.getcolors()) > 1 and (rgb == rgb[0, 0]).all():
        return _of_grey(np.asarray(colours), source, lossy)  # a palette of one colour: its indices say it
    if (rgb == rgb[..., :1]).all():
        return _of_grey(rgb[..., 0], source, lossy)
    found = colours.convert("RGB").getcolors(SHOWN_VALUES)
    black = (rgb == 0).all(axis=2)
    if found and len(found) == 1 + bool(black.any()):
        return ~black
    if int((rgb.max(axis=2) - rgb.min(axis=2)).max()) <= GREY_SPREAD:
        return _of_grey(rgb.max(axis=2), source, lossy)
    shown = f"more than {SHOWN_VALUES} colours" if not found else f"the colours {_listed(sorted(c for _, c in found))}"
    raise InputError(
        f"mask '{name_of(source)}' holds {shown}, which is not one colour on black; save it as grey, 0 and 255"
    )


def _of_grey(grey, source, lossy):
    """Foreground (H, W) bool of grey levels (H, W) of any type, by the rule at the top."""
    values = np.unique(grey)
    floats = values.dtype.kind == "f"
    if floats and not np.isfinite(values).all():
        raise InputError(f"mask '{name_of(source)}' holds values that are no numbers; save it as grey, 0 and 255")
    dark, light = values[0].item(), values[-1].item()
    white = next((white for white in ((1,) if floats else ()) + WHITES if dark >= 0 and light <= white), None)
    if len(values) == 1 and (dark == 0 or (white and (dark > white / 2 or (dark == 1 and not lossy)))):
        return grey != 0
    if len(values) == 2 and dark == 0 and not lossy:
        return grey != 0
    if white and dark <= white / 2 < light:
        blends = dark < white / 4 and light >= white * 3 / 4 and (lossy or not _has_labels(grey, values))
        if blends or len(values) == 2:
            return grey > white / 2
    raise InputError(
        f"mask '{name_of(source)}' holds the values {_listed(values.tolist())}, which do not say what is foreground; "
        "save it as 0 and 255"
    )


def _has_labels(grey, values):
    """Whether a value between the darkest and the lightest of few fills 3 x 3 pixels somewhere: no blend of an edge."""
    if len(values) > LABEL_VALUES:
        return False
    for value in values[1:-1]:
        here = grey == value
        rows = here[:-2] & here[1:-1] & here[2:]
        if (rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]).any():
            return True
    return False


def _listed(values):
    shown = ", ".join(str(value) for value in values[:SHOWN_VALUES])
    return shown if len(values) <= SHOWN_VALUES else f"{shown} and {len(values) - SHOWN_VALUES} more"
