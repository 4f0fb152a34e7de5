"""Data folders: listed, plain pairs, and the public releases as they are unpacked."""

import numpy as np
import pytest
from PIL import Image

from quant.base.errors import DataError
from quant.data.layouts import list_pairs
from quant.data.pairs import load_samples


def save(path, value=0, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size, value, np.uint8)).save(path)


def names(pairs):
    return [pair.name for pair in pairs]


def assert_split_in_two(folder, count):
    train, val = names(list_pairs(folder, "train")), names(list_pairs(folder, "val"))
    assert len(train) + len(val) == count and not set(train) & set(val)
    assert 0.05 * count <= len(val) <= 0.4 * count
    assert names(list_pairs(folder, "val")) == val
    return train, val


@pytest.fixture
def listed(tmp_path):
    for name in ("benign (1)", "benign (2)", "malignant (1)"):
        save(tmp_path / "images" / f"{name}.png")
        save(tmp_path / "masks" / f"{name}.png")
    (tmp_path / "train.txt").write_text("malignant (1)\nbenign (1)\n")
    (tmp_path / "val.txt").write_text("benign (2)\n")
    return tmp_path


def test_lists_give_order_and_splits(listed):
    assert names(list_pairs(listed, "train")) == ["malignant (1)", "benign (1)"]


def test_pairs_without_lists_are_split_by_name_and_stay_where_they_are_when_images_come_in(tmp_path):
    for index in range(50):
        save(tmp_path / "images" / f"case{index}.jpg")
        save(tmp_path / "masks" / f"case{index}_mask.png")
    train, val = assert_split_in_two(tmp_path, 50)
    save(tmp_path / "images" / "late.jpg")
    save(tmp_path / "masks" / "late.png")
    assert set(val) <= set(names(list_pairs(tmp_path, "val"))) and set(train) <= set(
        names(list_pairs(tmp_path, "train"))
    )
    with pytest.raises(DataError, match="a folder without lists has splits train and val, not 'test'"):
        list_pairs(tmp_path, "test")


def test_released_busi_merges_masks_and_leaves_normal_cases_out_unless_asked(tmp_path):
    for index in range(40):
        left, right = np.zeros((2, 8, 8), np.uint8)
        left[:, 0], right[:, 7] = 255, 255
        save(tmp_path / "benign" / f"benign ({index}).png")
        Image.fromarray(left).save(tmp_path / "benign" / f"benign ({index})_mask.png")
        Image.fromarray(right).save(tmp_path / "benign" / f"benign ({index})_mask_1.png")
        save(tmp_path / "normal" / f"normal ({index}).png")
        save(tmp_path / "normal" / f"normal ({index})_mask.png")
    (tmp_path / "malignant").mkdir()
    assert_split_in_two(tmp_path, 40)
    mask = load_samples(tmp_path, "val", (8, 8)).masks[0, 0]
    assert mask[:, 0].all() and mask[:, 7].all() and not mask[:, 1:7].any()
    everything = [name for split in ("train", "val") for name in names(list_pairs(tmp_path, split, normal_cases=True))]
    assert len(everything) == 80 and sum(name.startswith("normal") for name in everything) == 40
    assert not load_samples(tmp_path, "val", (8, 8), normal_cases=True).masks[-1].any()


@pytest.mark.parametrize("folders", [("images", "masks"), ("images", "masks", "normal"), ("benign", "malignant")])
def test_normal_cases_are_refused_where_there_are_none_to_keep(tmp_path, folders):
    for folder in folders:
        save(tmp_path / folder / "case.png")
    with pytest.raises(DataError, match=r"--normal-cases adds the folder normal/ of BUSI as released, and '.*' is of"):
        list_pairs(tmp_path, "train", normal_cases=True)


@pytest.mark.parametrize("kind", ["README.txt", "notes.txt", "._train.txt", "licence.txt"])
def test_text_that_is_no_list_does_not_change_the_split(tmp_path, kind):
    for index in range(20):
        save(tmp_path / "images" / f"case{index}.png")
        save(tmp_path / "masks" / f"case{index}.png")
    before = [names(list_pairs(tmp_path, split)) for split in ("train", "val")]
    text = "Breast ultrasound.\n\nCases of a clinic in Zürich.\n"
    (tmp_path / kind).write_bytes(text.encode("latin-1" if kind == "licence.txt" else "utf-8"))
    assert [names(list_pairs(tmp_path, split)) for split in ("train", "val")] == before
    (tmp_path / "fold1.txt").write_text("case3\ncase4\n")
    assert names(list_pairs(tmp_path, "fold1")) == ["case3", "case4"]
    with pytest.raises(DataError, match=r"val\.txt' does not exist; splits of this folder: fold1$"):
        list_pairs(tmp_path, "val")


def test_a_usual_list_is_a_list_even_where_none_of_its_names_is_there(listed):
    (listed / "train.txt").write_text("moved away\n")
    (listed / "val.txt").unlink()
    with pytest.raises(DataError, match=r"val\.txt' does not exist; splits of this folder: train$"):
        list_pairs(listed, "val")


def test_every_mask_counts_in_the_releases_too(tmp_path):
    images = tmp_path / "ISIC2018_Task1-2_Training_Input"
    masks = tmp_path / "ISIC2018_Task1_Training_GroundTruth"
    for index in range(10):
        save(images / f"ISIC_{index}.JPG")
        for column, ending in ((0, "_segmentation"), (5, "_segmentation_2")):
            mask = np.zeros((8, 8), np.uint8)
            mask[:, column] = 1
            masks.mkdir(exist_ok=True)
            Image.fromarray(mask).save(masks / f"ISIC_{index}{ending}.png")
        (images / f"._ISIC_{index}.JPG").write_bytes(b"\0\5\x16\7")
    found = load_samples(tmp_path, "train", (8, 8)).masks[:, 0]
    assert found[:, :, 0].all() and found[:, :, 5].all() and found.sum() == len(found) * 16
    busi = tmp_path / "busi"
    (busi / "malignant").mkdir(parents=True)
    for index in range(20):
        save(busi / "benign" / f"benign ({index}).JPG")
        save(busi / "benign" / f"benign ({index})_Mask.PNG", 1)
        (busi / "benign" / f"._benign ({index}).JPG").write_bytes(b"\0\5\x16\7")
    assert_split_in_two(busi, 20)
    assert load_samples(busi, "train", (8, 8)).masks.all()
    (busi / "benign" / "benign (3)_Mask.PNG").unlink()
    with pytest.raises(DataError, match=r"image '.*benign \(3\)\.JPG' has no mask 'benign \(3\)_mask\.png' beside it"):
        [list_pairs(busi, split) for split in ("train", "val")]


def test_released_isic_2016_validates_on_its_test_set(tmp_path):
    for part, count in (("Training", 5), ("Test", 3)):
        for index in range(count):
            save(tmp_path / f"ISBI2016_ISIC_Part1_{part}_Data" / f"ISIC_{part}{index}.jpg")
            save(tmp_path / f"ISBI2016_ISIC_Part1_{part}_GroundTruth" / f"ISIC_{part}{index}_Segmentation.png")
    assert names(list_pairs(tmp_path, "train")) == [f"ISIC_Training{index}" for index in range(5)]
    assert names(list_pairs(tmp_path, "val")) == [f"ISIC_Test{index}" for index in range(3)]
    with pytest.raises(DataError, match="the ISIC 2016 release has splits train, val, not 'test'"):
        list_pairs(tmp_path, "test")


def test_released_isic_2018_is_split_in_two_where_only_the_training_part_is_there(tmp_path):
    for index in range(40):
        save(tmp_path / "ISIC2018_Task1-2_Training_Input" / f"ISIC_{index}.jpg")
        save(tmp_path / "ISIC2018_Task1_Training_GroundTruth" / f"ISIC_{index}_segmentation.png")
    assert_split_in_two(tmp_path, 40)
    with pytest.raises(DataError, match="Test_Input' does not exist; unpack that part of the ISIC 2018 release"):
        list_pairs(tmp_path, "test")
    save(tmp_path / "ISIC2018_Task1-2_Validation_Input" / "ISIC_v.jpg")
    save(tmp_path / "ISIC2018_Task1_Validation_GroundTruth" / "ISIC_v_segmentation.png")
    assert names(list_pairs(tmp_path, "val")) == ["ISIC_v"] and len(list_pairs(tmp_path, "train")) == 40


def test_missing_things_are_named(listed, tmp_path):
    with pytest.raises(DataError, match=r"data folder '.*nowhere' does not exist"):
        list_pairs(tmp_path / "nowhere", "val")
    with pytest.raises(DataError, match=r"test\.txt' does not exist; splits of this folder: train, val"):
        list_pairs(listed, "test")
    (listed / "val.txt").write_text("benign (9)\n")
    with pytest.raises(DataError, match=r"no image 'benign \(9\)'"):
        list_pairs(listed, "val")
    (listed / "val.txt").write_text("\n")
    with pytest.raises(DataError, match=r"split 'val' .* names no image"):
        list_pairs(listed, "val")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        DataError, match="has neither images/ and masks/, nor benign/ and malignant/, nor the folders of"
    ):
        list_pairs(tmp_path / "empty", "val")
