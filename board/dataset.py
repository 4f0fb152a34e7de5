"""Data folders on disk: lists of names, and the image and mask files that a name stands for. Also for ``quant``.

A name is a file's name without its suffix, in any Unicode composition. Hidden files (macOS writes ``._NAME.png``),
files with other suffixes (``Thumbs.db``, ``README.txt``) and folders are no images. The masks of an image are all that
have its name, or its name and ``_mask`` or ``_segmentation``, which a number may follow (``a_mask_1.png``).
"""

import os
import re
import unicodedata

from board.errors import InputError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".ppm", ".pgm", ".pbm")  # in any case
SUFFIXES = (*PICTURES, ".npy")
_MARKED_AS_MASK = re.compile(r"(.+?)_(?:mask|segmentation)(?:_?\d+)?", re.IGNORECASE | re.DOTALL)
_INVISIBLE = "\ufeff\u200b"  # byte-order mark, zero-width space


def list_pairs(folder, split):
    """[(image path, [mask path, ...])] of ``SPLIT.txt`` in its order; InputError where something is missing."""
    listing = os.path.join(folder, f"{split}.txt")
    names = read_list(listing)
    if not names:
        raise InputError(f"list '{listing}' names no image; add names to it")
    images, masks = (ImageFolder(os.path.join(folder, kind)) for kind in ("images", "masks"))
    return [(images.find(name), masks.masks_of(name, images)) for name in names]


def read_list(path):
    """Names of a list, one a line, blank lines left out; UTF-8, with a byte-order mark or none, or UTF-16 with one."""
    try:
        with open(path, "rb") as opened:
            content = opened.read()
    except OSError as error:
        raise InputError(f"list '{path}' cannot be read ({error.strerror}); give the folder and --split") from None
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8")
        if "\0" in text:
            raise ValueError
    except ValueError:
        raise InputError(f"list '{path}' is not UTF-8 text; save it as UTF-8") from None
    names = (line.strip().strip(_INVISIBLE).strip() for line in re.split(r"[\r\n]+", text))
    return [name for name in names if name]


class ImageFolder:
    """The image files of a folder by their names, in the order of the files' names.

    InputError where there is no such folder.
    """

    def __init__(self, path):
        self.path = path
        self.files, self.marked, self._below = {}, {}, {}
        try:
            entries = sorted(os.listdir(path))
        except OSError as error:
            raise InputError(f"folder '{path}' cannot be read ({error.strerror}); check the data folder") from None
        for entry in entries:
            stem, suffix = os.path.splitext(entry)
            file = os.path.join(path, entry)
            if entry.startswith(".") or suffix.lower() not in SUFFIXES or os.path.isdir(file):
                continue
            name = _composed(stem)
            self.files.setdefault(name, []).append(file)
            if (match := _MARKED_AS_MASK.fullmatch(name)) and len(self.files[name]) == 1:
                self.marked.setdefault(match[1], []).append(name)

    def __contains__(self, name):
        folder, name = self._at(name)
        return folder is not None and name in folder.files

    def names(self):
        """Names of all files."""
        return list(self.files)

    def unmarked_names(self):
        """Names of the files that do not end as a mask's name does: the images, where both lie in one folder."""
        return [name for name in self.files if not _MARKED_AS_MASK.fullmatch(name)]

    def find(self, name):
        """The one file of ``name``, which may begin with folders; InputError where there is none, or several."""
        folder, base = self._at(name)
        files = folder.files.get(base, ()) if folder is not None else ()
        if not files:
            raise InputError(
                f"no image {name!r} with one of {', '.join(SUFFIXES)} in '{self.path}'; check the list, which "
                "holds names without suffix"
            )
        if len(files) > 1:
            raise InputError(f"'{files[0]}' and '{files[1]}' have the same name; remove one of them")
        return files[0]

    def masks_of(self, name, images=()):
        """The files of all masks of ``name``, but none that is the mask of an image of ``images`` of that very name.

        InputError where there is none.
        """
        folder, base = self._at(name)
        marked = folder.marked.get(base, ()) if folder is not None else ()
        inner = _composed(name)[: -len(base)] if base else ""
        names = [*([name] if name in self else []), *(inner + other for other in marked if inner + other not in images)]
        if not names:
            raise InputError(
                f"no mask of {name!r} in '{self.path}', neither with its name nor with _mask or _segmentation "
                f"behind it, with one of {', '.join(PICTURES)}; add it, or take the image out of the list"
            )
        return [self.find(name) for name in names]

    def _at(self, name):
        """The folder that ``name`` lies in, None where there is none, and its name there."""
        inner, base = os.path.split(_composed(name))
        if not inner:
            return self, base
        if inner not in self._below:
            path = os.path.join(self.path, inner)
            self._below[inner] = ImageFolder(path) if os.path.isdir(path) else None
        return self._below[inner], base


def _composed(name):
    return unicodedata.normalize("NFC", name)
