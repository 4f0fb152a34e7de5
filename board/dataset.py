"""A data folder with lists, as ``quant evaluate`` reads it: ``images/``, ``masks/`` and names in ``SPLIT.txt``.

The mask of an image has its name, which may end in ``_mask`` or ``_segmentation``.
"""

import os

from board.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
MASK_ENDINGS = ("", "_mask", "_segmentation", "_Segmentation")


def list_pairs(folder, split):
    """[(image path, mask path)] of ``SPLIT.txt`` in its order; InputError where something is missing."""
    listing = os.path.join(folder, f"{split}.txt")
    try:
        with open(listing, encoding="utf-8") as opened:
            names = opened.read().split("\n")
    except OSError as error:
        raise InputError(f"list '{listing}' cannot be read ({error.strerror}); give the folder and --split") from None
    names = [name.strip() for name in names if name.strip()]
    pairs = [(_find(folder, "images", name), _find(folder, "masks", name, MASK_ENDINGS)) for name in names]
    if not pairs:
        raise InputError(f"list '{listing}' names no image; add names to it")
    return pairs


def _find(folder, kind, name, endings=("",)):
    for ending in endings:
        for suffix in SUFFIXES:
            path = os.path.join(folder, kind, name + ending + suffix)
            if os.path.isfile(path):
                return path
    raise InputError(f"no '{name}' with one of {', '.join(SUFFIXES)} in '{os.path.join(folder, kind)}'; check the list")
