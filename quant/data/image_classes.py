"""The class of each image (benign, malignant) and the group it must stay in, from its name or from a CSV file.

A name of words and then a number, as ``benign (25)`` or ``ISIC_0000012``, says its class by its words. Where the names
of a list are not all like that, its images are of no class. A CSV file has the columns ``name`` and ``class`` and may
have ``group``, for instance a patient: images of one group are never parted between training and reporting.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from board.dataset import SUFFIXES
from quant.base.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WORDS_AND_NUMBER = re.compile(r"([^\W\d_]+(?:[ _-][^\W\d_]+)*)[ _(-]*\d+\)?")


@dataclass(frozen=True)
class ImageClasses:
    """``classes`` and ``groups`` of images, each (N,); ``groups`` is None where every image stands alone."""

    classes: tuple[str, ...]
    groups: tuple[str, ...] | None = None


def classes_by_name(names: Sequence[str]) -> ImageClasses | None:
    """What the names say; None where one of them says nothing."""
    matches = [_WORDS_AND_NUMBER.fullmatch(name.rsplit("/", 1)[-1]) for name in names]
    found = [match[1] for match in matches if match is not None]
    return ImageClasses(tuple(found)) if len(found) == len(names) else None


def classes_by_csv(names: Sequence[str], path: Path) -> ImageClasses:
    """What the rows of ``path`` say of these images; rows of other images do not count.

    Raises:
        DataError: it cannot be read, has no column of names or classes, no row for an image, or rows that differ.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns, rows = reader.fieldnames or [], list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{path}' cannot be read as CSV ({error}); give a UTF-8 file with a header") from None
    for column in ("name", "class"):
        if column not in columns:
            raise DataError(
                f"'{path}' has no column '{column}', only {', '.join(columns) or 'none'}; its header is name,class or"
                " name,class,group"
            )
    known: dict[str, tuple[str, str]] = {}  # class and group of each name
    listed = set(names)
    for row in rows:
        name, kind, group = ((row.get(column) or "").strip() for column in ("name", "class", "group"))
        if known.setdefault(name, (kind, group)) != (kind, group) and name in listed:
            raise DataError(f"'{path}' has rows of image '{name}' that differ; leave one of them")
    for name in names:
        if not known.get(name, ("",))[0]:
            raise DataError(f"'{path}' gives no class for image '{name}'; {_remedy(name, known)}")
    groups = tuple(known[name][1] or name for name in names) if "group" in columns else None
    return ImageClasses(tuple(known[name][0] for name in names), groups)


def _remedy(name: str, known: Iterable[str]) -> str:
    """What to do about a missing row for image ``name`` beside those of the names ``known``."""
    for other in known:
        suffix = Path(other).suffix
        if suffix.lower() in SUFFIXES and other.removesuffix(suffix) == name:
            return f"write the names without suffix, not '{other}'"
    return "add a row for it"


def classes_of_images(names: Sequence[str], path: Path | None) -> ImageClasses | None:
    """By the CSV file at ``path``, or by name where that is None."""
    return classes_by_name(names) if path is None else classes_by_csv(names, path)
