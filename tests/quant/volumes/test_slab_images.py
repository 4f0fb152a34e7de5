"""Volumes as images: frames against ``slabs``, masks, lists by patient, what the board must know, and refusals."""

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

import calib_data
from board.intensity import Window
from quant.__main__ import main
from quant.base.errors import ConfigError, DataError
from quant.data.pairs import load_samples
from quant.volumes.layouts import list_cases
from quant.volumes.slab_images import read_slabs, write_slabs
from quant.volumes.slabs import slabs

SAMPLE = calib_data.FOLDER / "hippocampus"


def test_the_sample_becomes_images_that_a_split_reads(tmp_path):
    out = tmp_path / "slabs"
    arguments = ["--data", str(SAMPLE), "--classes", "3", "--foreground", "--window", "zscore", "--out", str(out)]
    assert main(["slabs", *arguments]) == 0
    found = read_slabs(out)
    spec, (height, width) = found.spec, found.size
    assert height % 32 == width % 32 == 0 and spec.slices == 3
    for split in ("train", "val"):
        samples, at = load_samples(out, split, (height, width)), 0
        for case in list_cases(SAMPLE, split):
            image, label = case.read(3)
            assert spec.orientation == "".join(nibabel.aff2axcodes(image.affine))
            np.testing.assert_allclose(spec.spacing_mm, image.spacing_mm, rtol=0.05)
            codes = Window("zscore", -4.0, 4.0).codes(image.voxels[0])
            expected = slabs(torch.from_numpy(codes)[None], 3)
            count, _, rows, columns = expected.shape
            assert found.shapes[case.name] == image.shape == (columns, rows, count)
            top, left = (height - rows) // 2, (width - columns) // 2
            part = slice(at, at + count), slice(None), slice(top, top + rows), slice(left, left + columns)
            assert torch.equal(samples.codes[part], expected)
            truth = torch.from_numpy(label.voxels[0] > 0).permute(2, 1, 0)
            assert torch.equal(samples.masks[part][:, 0], truth)
            assert samples.masks[part].sum() == samples.masks[part[0]].sum()  # nothing around a slice
            at += count
        assert at == len(samples)


def write_volume(folder, name, shape=(6, 8, 4), affine=(1, 1, 1), labels=2):
    rng = np.random.default_rng(len(name))
    for kind, most in (("images", 200), ("masks", labels)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        voxels = rng.integers(0, most, shape).astype(np.int16)
        nibabel.Nifti1Image(voxels, np.diag([*affine, 1.0])).to_filename(folder / kind / f"{name}.nii.gz")


def test_other_numbers_of_slices_are_arrays_and_classes_stay(tmp_path):
    for name in ("a", "bb"):
        write_volume(tmp_path / "data", name, labels=3, affine=(1, 1, 1 + len(name)))
    (tmp_path / "data" / "train.txt").write_text("a")
    (tmp_path / "data" / "val.txt").write_text("bb")
    found = write_slabs(tmp_path / "data", tmp_path / "out", window=Window(), slices=5, classes=3, size=(16, 8))
    assert found == {"train": 4, "val": 4, "size": [16, 8]}
    assert np.load(tmp_path / "out" / "images" / "a_0000.npy").shape == (16, 8, 5)
    label = nibabel.load(tmp_path / "data" / "masks" / "a.nii.gz").get_fdata()
    written = np.asarray(Image.open(tmp_path / "out" / "masks" / "a_0002.png"))
    np.testing.assert_array_equal(written[4:12, 1:7], label[:, :, 2].T)
    assert read_slabs(tmp_path / "out").spec.spacing_mm is None  # they differ


def test_what_cannot_be_written_is_one_sentence(tmp_path):
    write_volume(tmp_path / "data", "a")
    write_volume(tmp_path / "data", "bb", affine=(-1, 1, 1))
    (tmp_path / "data" / "train.txt").write_text("a")
    (tmp_path / "data" / "val.txt").write_text("bb")
    with pytest.raises(DataError, match="has orientation LAS, others RAS; turn all to one"):
        write_slabs(tmp_path / "data", tmp_path / "out", window=Window())
    with pytest.raises(ConfigError, match="exists and is not an empty folder; give a new one"):
        write_slabs(tmp_path / "data", tmp_path / "data", window=Window())
    write_volume(tmp_path / "data", "bb")
    with pytest.raises(DataError, match=r"slices of 8x6 \(y, x\) are larger"):
        write_slabs(tmp_path / "data", tmp_path / "small", window=Window(), size=(4, 4))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]  # nothing is half there
    for classes in (0, 257):
        with pytest.raises(ConfigError, match=f"--classes must be 1 to 256, got {classes}"):
            write_slabs(tmp_path / "data", tmp_path / "out", window=Window(), classes=classes)
    with pytest.raises(DataError, match="is missing or wrong .*; write the folder by `python -m quant slabs`"):
        read_slabs(tmp_path)
