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

from quant.base.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

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
        DataError: it cannot be read, has no column of names or classes, or no row for an image.
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
    row_of = {row["name"]: row for row in rows}
    for name in names:
        if name not in row_of or not row_of[name]["class"]:
            raise DataError(f"'{path}' gives no class for image '{name}'; add a row for it")
    groups = tuple(row_of[name]["group"] or name for name in names) if "group" in columns else None
    return ImageClasses(tuple(row_of[name]["class"] for name in names), groups)


def classes_of_images(names: Sequence[str], path: Path | None) -> ImageClasses | None:
    """By the CSV file at ``path``, or by name where that is None."""
    return classes_by_name(names) if path is None else classes_by_csv(names, path)
