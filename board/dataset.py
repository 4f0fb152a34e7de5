"""A data folder as ``quant evaluate`` reads it: ``images/``, ``masks/`` and a list of names ``SPLIT.txt``."""

import os

from board.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")


def list_pairs(folder, split):
    """[(image path, mask path)] of ``SPLIT.txt`` in its order; InputError where something is missing."""
    listing = os.path.join(folder, f"{split}.txt")
    try:
        with open(listing, encoding="utf-8") as opened:
            names = opened.read().split("\n")
    except OSError as error:
        raise InputError(f"list '{listing}' cannot be read ({error.strerror}); give the folder and --split") from None
    pairs = [
        (_find(folder, "images", name.strip()), _find(folder, "masks", name.strip())) for name in names if name.strip()
    ]
    if not pairs:
        raise InputError(f"list '{listing}' names no image; add names to it")
    return pairs


def _find(folder, kind, name):
    for suffix in SUFFIXES:
        path = os.path.join(folder, kind, name + suffix)
        if os.path.isfile(path):
            return path
    raise InputError(f"no '{name}' with one of {', '.join(SUFFIXES)} in '{os.path.join(folder, kind)}'; check the list")
