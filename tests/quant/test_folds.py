"""Folds are disjoint, have their share of every class and never part a group; classes come from names or a CSV file."""

from collections import Counter

import numpy as np
import pytest
import torch

from quant.base.errors import DataError
from quant.data.folds import fold_of_images, groups_of_images
from quant.data.image_classes import ImageClasses, classes_by_csv, classes_by_name

SEED = 23


def test_every_fold_has_its_share_of_every_class():
    classes = tuple(np.random.default_rng(SEED).permutation(["benign"] * 398 + ["malignant"] * 185).tolist())
    names = [f"{kind} ({index})" for index, kind in enumerate(classes)]
    assert classes_by_name(names).classes == classes
    folds = fold_of_images(names, classes, names, 5, seed=1)
    assert folds.shape == (583,) and set(folds.tolist()) == set(range(5))
    for kind, count in (("benign", 398), ("malignant", 185)):
        of_fold = Counter(folds[np.array(classes) == kind].tolist())
        assert max(of_fold.values()) - min(of_fold.values()) <= 1 and sum(of_fold.values()) == count
    assert np.array_equal(folds, fold_of_images(names, classes, names, 5, seed=1))
    assert not np.array_equal(folds, fold_of_images(names, classes, names, 5, seed=2))


def test_images_of_a_group_are_reported_by_one_fold():
    groups = tuple(f"patient {index // 3}" for index in range(60))
    classes = tuple("ab"[index // 3 % 2] for index in range(60))
    names = [f"slice {index}" for index in range(60)]
    folds = fold_of_images(names, classes, groups, 5, seed=1)
    for group in set(groups):
        assert len({fold for fold, of in zip(folds, groups, strict=True) if of == group}) == 1
    with pytest.raises(DataError, match=r"class 'a' has 10 groups, fewer than --folds 11"):
        fold_of_images(names, classes, groups, 11, seed=1)


def test_equal_images_are_one_group_and_join_the_groups_that_hold_them():
    codes = torch.arange(6, dtype=torch.uint8)[:, None, None, None].repeat(1, 3, 4, 4)
    codes[4] = codes[1]
    assert groups_of_images(list("abcdef"), None, codes) == list("abcdbf")
    assert groups_of_images(list("abcdef"), ["p", "p", "q", "r", "r", "q"], codes) == ["p", "p", "q", "p", "p", "q"]


def test_a_name_listed_twice_is_refused():
    with pytest.raises(DataError, match=r"image 'a 1' is listed 2 times; list it once"):
        fold_of_images(["a 1", "a 2", "a 1"], ["a"] * 3, ["a 1", "a 2", "a 1"], 2, seed=1)


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["benign (1)", "malignant (22)"], ("benign", "malignant")),
        (["ISIC_0000012", "ISIC_0000013"], ("ISIC", "ISIC")),
        (["benign/benign (1)", "low grade 7"], ("benign", "low grade")),
        (["1", "2"], None),
        (["benign (1)", "TCGA_CS_4941_19960909_001"], None),
        (["a3f9", "b77c"], None),
    ],
)
def test_names_say_their_class_all_or_none(names, classes):
    found = classes_by_name(names)
    assert (found and found.classes) == classes


def test_a_csv_file_says_classes_and_groups_in_any_order(tmp_path):
    path = tmp_path / "classes.csv"
    path.write_text("\ufeffgroup,name,class\np1,b,x\n,a,y\np1,c,x\np9,unused,z\n", encoding="utf-8")
    assert classes_by_csv(["a", "b", "c"], path) == ImageClasses(("y", "x", "x"), ("a", "p1", "p1"))
    path.write_text("name,class\na,y\na, y \n,\n,x\n")
    assert classes_by_csv(["a"], path) == ImageClasses(("y",), None)
