"""Folds of a data set: each image is reported by one of them, whose training sees none of its group.

Each fold has its share of every class (scikit-learn's StratifiedKFold, or StratifiedGroupKFold where images form
groups). The same names, classes, number and seed give the same folds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from quant.errors import ConfigError, DataError
from quant.image_classes import ImageClasses


def fold_of_images(names: Sequence[str], known: ImageClasses | None, folds: int, seed: int) -> np.ndarray:
    """(N,) the fold, from 0, that reports each image.

    Raises:
        ConfigError: fewer than two folds.
        DataError: a name is there twice, or a class has fewer images, or groups, than there are folds.
    """
    if folds < 2:
        raise ConfigError(f"--folds must be at least 2, got {folds}")
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(f"image '{name}' is listed {count} times; list it once, so that one fold reports it")
    classes = ("image",) * len(names) if known is None else known.classes
    groups = None if known is None else known.groups
    units = set(zip(classes, names if groups is None else groups, strict=True))
    for kind, count in sorted(Counter(kind for kind, _ in units).items()):
        if count < folds:
            of = "images" if groups is None else "groups"
            raise DataError(
                f"class '{kind}' has {count} {of}, fewer than --folds {folds}; give fewer folds, or join classes by"
                " --image-classes"
            )
    splitter = (StratifiedKFold if groups is None else StratifiedGroupKFold)(folds, shuffle=True, random_state=seed)
    found = np.empty(len(names), int)
    for fold, (_, reported) in enumerate(splitter.split(np.zeros(len(names)), classes, groups)):
        found[reported] = fold
    return found
