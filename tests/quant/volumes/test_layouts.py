"""Layouts of data sets of volumes: what their cases are, and that no patient is in two splits."""

import json
import re

import files
import numpy as np
import pytest

from board.intensity import Window
from quant.__main__ import main
from quant.base.errors import DataError
from quant.volumes.layouts import list_cases
from quant.volumes.scans import load_scans

NAMES = [f"case_{index}" for index in range(12)]


def names(folder, split):
    return [case.name for case in list_cases(folder, split)]


def test_decathlon_and_folders_of_volumes_have_the_same_cases(tmp_path):
    lists = {"train": NAMES[:2], "val": NAMES[2:4]}
    for decathlon in (True, False):
        folder = files.write_set(tmp_path / str(decathlon), NAMES[:4], lists=lists, decathlon=decathlon)
        assert names(folder, "train") == NAMES[:2]
        image, label = list_cases(folder, "val")[0].read(1)
        np.testing.assert_array_equal(image.voxels[0], files.ball(2)[0])
        np.testing.assert_array_equal(label.voxels[0], files.ball(2)[1])


def test_without_lists_a_hash_of_the_patient_splits(tmp_path):
    folder = files.write_set(tmp_path, NAMES)
    train, val = names(folder, "train"), names(folder, "val")
    assert sorted(train + val) == sorted(NAMES) and train and val
    both = "\n".join(f"{name},{val[0] if name == train[0] else name}" for name in NAMES)
    (folder / "cases.csv").write_text(f"id,subject\n{both}\n")
    assert train[0] in names(folder, "val")  # with the patient that it is now said to be
    with pytest.raises(DataError, match="has splits train and val, not 'test'"):
        names(folder, "test")


def test_a_patient_in_two_lists_is_refused_whichever_is_asked_for(tmp_path):
    folder = files.write_set(tmp_path, NAMES[:4], lists={"train": NAMES[:2], "val": NAMES[2:4]})
    (folder / "cases.csv").write_text("id,subject\ncase_0,7\ncase_1,8\ncase_2,9\ncase_3,7\n")
    for split in ("train", "val"):
        with pytest.raises(
            DataError, match="patient '7' is in both '.*train.txt' and '.*val.txt'; .* move case 'case_3'"
        ):
            names(folder, split)


def test_a_patients_slices_stay_together(tmp_path):
    for index, patient in enumerate(("A", "B")):
        files.write_stack(tmp_path, patient, index)
    slices = [f"{patient}_{z:03d}" for patient in "AB" for z in range(1, 7)]
    (tmp_path / "train.txt").write_text("\n".join(slices[:6]))
    (tmp_path / "val.txt").write_text("B")
    assert (names(tmp_path, "train"), names(tmp_path, "val")) == (["A"], ["B"])
    (tmp_path / "train.txt").write_text("\n".join(slices[:5]))
    with pytest.raises(DataError, match="leaves out slice 'A_006' of patient 'A'; a volume is in a split as a whole"):
        names(tmp_path, "train")
    (tmp_path / "train.txt").write_text("\n".join(slices[:6] + slices[10:]))
    with pytest.raises(DataError, match="leaves out slice 'B_001' of patient 'B'"):
        names(tmp_path, "val")


def test_a_missing_slice_is_named(tmp_path):
    files.write_stack(tmp_path, "A", skip=(3,))
    (tmp_path / "val.txt").write_text("A")
    (case,) = list_cases(tmp_path, "val")
    with pytest.raises(DataError, match="patient 'A' has slices 2 and 4 but none between; add the missing files"):
        case.read(1)


def test_folders_of_dicom_series_are_volumes(tmp_path):
    voxels, labels = files.ball(0)
    files.write_series(tmp_path / "images" / "p1", voxels)
    (tmp_path / "val.txt").write_text("p1")
    with pytest.raises(DataError, match=r"volume '.*p1' has no label 'p1.nii.gz' or .nii in '.*masks'"):
        (tmp_path / "masks").mkdir()
        names(tmp_path, "val")
    affine = np.diag([-0.8, -0.7, 2.5, 1.0])
    affine[:3, 3] = 30, 40, 100
    files.write_nifti(tmp_path / "masks" / "p1.nii.gz", labels, affine)
    image, label = list_cases(tmp_path, "val")[0].read(1)
    assert image.shape == label.shape == files.SHAPE


def test_a_series_deeper_in_the_folder_of_its_case_is_named(tmp_path, capsys):
    files.write_series(tmp_path / "images" / "p1" / "T1", files.ball(0)[0])
    (tmp_path / "masks").mkdir()
    (tmp_path / "train.txt").write_text("p1")
    assert main(["describe", "--data", str(tmp_path)]) == 2
    assert re.search("DICOM files of case 'p1' lie in '.*p1/T1'; give each case the slices", capsys.readouterr().err)


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(DataError, match="is of no known layout: give dataset.json as the Decathlon has it, or images/"):
        names(tmp_path, "val")
    with pytest.raises(DataError, match="does not exist; give a folder of volumes"):
        names(tmp_path / "nowhere", "val")
    (tmp_path / "dataset.json").write_text(json.dumps({"training": ["a.nii.gz"]}))
    with pytest.raises(DataError, match="is not as the Decathlon has it; it needs a list 'training' of objects"):
        names(tmp_path, "val")
    files.write_set(tmp_path / "set", NAMES[:1], lists={"val": ["case_5"]})
    with pytest.raises(DataError, match="names 'case_5', which is not a case of the folder"):
        names(tmp_path / "set", "val")
    with pytest.raises(DataError, match="does not exist; splits of this folder: val"):
        (tmp_path / "set" / "val.txt").write_text("case_0")
        names(tmp_path / "set", "test")


def test_an_empty_label_and_another_orientation_are_refused(tmp_path):
    folder = files.write_set(tmp_path, NAMES[:2], lists={"val": NAMES[:2]})
    files.write_nifti(folder / "masks" / "case_1.nii.gz", np.zeros(files.SHAPE, np.uint8))
    with pytest.raises(DataError, match="label '.*case_1.nii.gz' of case 'case_1' has no foreground; correct it, or"):
        load_scans(folder, "val", Window())
    voxels, labels = files.ball(1)
    turned = files.AFFINE @ np.diag([1.0, -1, 1, 1])
    for kind, array in (("images", voxels), ("masks", labels)):
        files.write_nifti(folder / kind / "case_1.nii.gz", array, turned)
    with pytest.raises(
        DataError, match="case_1.nii.gz' has orientation RPS, '.*case_0.nii.gz' has RAS; turn all to one"
    ):
        load_scans(folder, "val", Window())
