"""What a data set looks like: figures of images and volumes of known boxes, and folders that are neither."""

import json

import files
import nibabel
import numpy as np
import pytest
from PIL import Image

from quant.__main__ import main
from quant.base.errors import DataError
from quant.volumes.describe import describe


def write_images(folder, names, colour=False, values=(255,)):
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for index, name in enumerate(names):
        mask = np.zeros((40, 80), np.uint8)
        if index:
            mask[4:14, 10 : 10 + 8 * index] = values[index % len(values)]
        image = np.full((40, 80, 3), 100, np.uint8)
        image[..., 0] += colour
        Image.fromarray(image if colour else image[..., 0]).save(folder / "images" / f"{name}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")
    (folder / "train.txt").write_text("\n".join(names))
    return folder


def test_images_have_boxes_as_shares_of_their_sides(tmp_path, capsys):
    folder = write_images(tmp_path / "data", ["p_1", "p_2", "p_3"])
    assert main(["describe", "--data", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["cases"], found["channels"], found["classes"]) == ("images", 3, 1, 1)
    assert found["height"]["p50"] == 40 and found["width"]["max"] == 80
    assert found["box"]["height"] == {"p5": 0.25, "p50": 0.25, "p95": 0.25, "max": 0.25}
    assert found["box"]["width"]["p50"] == pytest.approx((0.1 + 0.2) / 2)
    assert found["empty_cases"] == 1 and found["components"]["max"] == 1
    assert found["intensity"]["p50"] == 100 and found["stacked_patients"] == 0
    (folder / "patients.csv").write_text("id,patient\np,p\n")
    assert describe(folder)["stacked_patients"] == 1
    stack = write_images(tmp_path / "gap", ["p_1", "p_3"])
    (stack / "patients.csv").write_text("id,patient\np,p\n")
    with pytest.raises(DataError, match="slices 1 and 3 but none between"):
        describe(stack)
    assert describe(write_images(tmp_path / "colour", ["a", "b"], colour=True))["channels"] == 3


def test_volumes_have_their_spacing_and_classes(tmp_path):
    labels = np.zeros((10, 20, 8), np.int16)
    labels[2:7, 5:9, 1:5] = 1
    labels[2:4, 5:9, 1:5] = 2
    for kind, array in (("images", labels * 50), ("masks", labels)):
        (tmp_path / kind).mkdir()
        nibabel.Nifti1Image(array, np.diag([1, 0.5, 3, 1.0])).to_filename(tmp_path / kind / "a.nii.gz")
    (tmp_path / "train.txt").write_text("a")
    found = describe(tmp_path)
    assert (found["kind"], found["classes"], found["channels"]) == ("volumes", 3, 1)
    assert [side["p50"] for side in found["shape"]] == [10, 20, 8] and found["spacing_mm"] == [1, 0.5, 3]
    assert [found["box"][axis]["p50"] for axis in "xyz"] == [0.5, 0.2, 0.5]
    assert found["intensity"]["zeros"] == pytest.approx(1 - 5 * 4 * 4 / labels.size)


def test_the_volumes_of_val_are_looked_at_for_what_slices_need(tmp_path):
    files.write_set(tmp_path, ["a", "b"], lists={"train": ["a"]})
    assert describe(tmp_path)["val_missing"].endswith("val.txt' does not exist; splits of this folder: train")
    (tmp_path / "val.txt").write_text("b")
    voxels, labels = files.ball(0, (16, 40, 14))
    turned = files.AFFINE @ np.diag([-1, 1, 1, 1])
    files.write_nifti(tmp_path / "images" / "b.nii.gz", voxels, turned)
    files.write_nifti(tmp_path / "masks" / "b.nii.gz", labels, turned)
    found = describe(tmp_path)
    assert (found["looked_at"], found["val_missing"], found["orientations"]) == (1, None, ["LAS", "RAS"])
    assert found["shape"][1]["max"] == 40


def test_volumes_without_sense_are_refused(tmp_path):
    files.write_set(tmp_path, ["a"], lists={"train": ["a"]})
    voxels, labels = files.ball(0)
    files.write_nifti(tmp_path / "masks" / "a.nii.gz", labels * np.uint8(255))
    with pytest.raises(DataError, match="the labels hold 0, 255 alone; classes are 0, 1, 2 and so on"):
        describe(tmp_path)
    files.write_nifti(tmp_path / "images" / "a.nii.gz", np.where(labels, np.nan, voxels))
    with pytest.raises(DataError, match="holds NaN or infinity; replace these voxels"):
        describe(tmp_path)


def test_what_holds_nothing_to_find_is_refused(tmp_path):
    with pytest.raises(DataError, match="no mask that was looked at has any foreground"):
        describe(write_images(tmp_path / "data", ["a"]))
    with pytest.raises(DataError, match="has neither images/ and masks/"):
        describe(tmp_path)
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(DataError, match="is not as the Decathlon has it"):
        describe(tmp_path)
