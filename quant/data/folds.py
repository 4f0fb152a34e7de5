"""Folds of a data set: each image is reported by one of them, whose training sees none of its group.

A group is an image alone, what a CSV file says, and always images that are equal, under whatever name: BUSI holds one
twice, once as benign and once as malignant. Each fold has its share of every class (scikit-learn's StratifiedKFold, or
StratifiedGroupKFold where a group has several images). The same images, classes, number and seed give the same folds.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from quant.base.errors import ConfigError, DataError
from quant.base.seed import require_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch


def groups_of_images(names: Sequence[str], given: Sequence[str] | None, codes: torch.Tensor) -> list[str]:
    """(N,) the group of each image: as ``given``, or its name, and one for all groups that hold an equal image.

    ``codes`` (N, C, H, W) are the images.
    """
    groups = list(names if given is None else given)
    first: dict[bytes, int] = {}
    for index, image in enumerate(codes):
        twin = first.setdefault(hashlib.sha256(image.numpy().tobytes()).digest(), index)
        kept, joined = groups[twin], groups[index]
        if kept != joined:
            groups = [kept if group == joined else group for group in groups]
    return groups


def require_listed_once(names: Sequence[str]) -> None:
    """DataError where a name is there twice, or cannot stand in a list."""
    for name in names:
        if not name.isprintable():  # a line break, or a byte that is no UTF-8
            raise DataError(f"image {name!a} has a character in its name that no list can hold; rename it")
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(f"image '{name}' is listed {count} times; list it once, so that it is reported once")


def fold_of_images(
    names: Sequence[str], classes: Sequence[str], groups: Sequence[str], folds: int, seed: int
) -> np.ndarray:
    """(N,) the fold, from 0, that reports each image.

    Raises:
        ConfigError: fewer than two folds, or a seed that no generator takes.
        DataError: a name is there twice, or a class has fewer images, or groups, than there are folds.
    """
    if folds < 2:
        raise ConfigError(f"--folds must be at least 2, got {folds}")
    require_seed(seed, "--fold-seed")
    require_listed_once(names)
    alone = len(set(groups)) == len(names)
    for kind, count in sorted(Counter(kind for kind, _ in set(zip(classes, groups, strict=True))).items()):
        if count < folds:
            raise DataError(
                f"class '{kind}' has {count} {'images' if alone else 'groups'}, fewer than --folds {folds}; give fewer"
                " folds, or join classes by --image-classes"
            )
    splitter = (StratifiedKFold if alone else StratifiedGroupKFold)(folds, shuffle=True, random_state=seed)
    splits = splitter.split(np.zeros(len(names)), classes, None if alone else groups)
    found = np.empty(len(names), int)
    for fold, (_, reported) in enumerate(splits):
        found[reported] = fold
    return found
