"""NIfTI files, DICOM series and stacks of pictures: what is read from them, and the sentence for each broken one."""

import gzip

import files
import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import BasicTextSRStorage

from quant.base.errors import DataError
from quant.volumes.dicom import is_series, read_series
from quant.volumes.layouts import list_cases
from quant.volumes.nifti import read_labels, read_nifti, write_labels
from quant.volumes.stacks import patient_and_slice
from quant.volumes.volume import Volume, require_same_grid


def test_voxels_affine_spacing_and_orientation_are_the_files(tmp_path):
    voxels, labels = files.ball(0)
    turned = files.AFFINE @ np.diag([-1.0, 1, 1, 1])
    volume = read_nifti(files.write_nifti(tmp_path / "a.nii.gz", voxels, turned))
    np.testing.assert_array_equal(volume.voxels[0], voxels)
    np.testing.assert_array_equal(volume.affine, turned)
    assert volume.spacing_mm == (1.0, 1.5, 2.0)
    assert volume.orientation == "LAS"
    write_labels(tmp_path / "out" / "mask.nii.gz", labels, volume)
    again = read_labels(tmp_path / "out" / "mask.nii.gz", 1)
    require_same_grid(volume, again)
    np.testing.assert_array_equal(again.voxels[0], labels)


def test_channels_come_first_and_the_headers_scaling_is_applied(tmp_path):
    array = np.stack([files.ball(seed)[0] for seed in (0, 1)], axis=-1)  # (X, Y, Z, C)
    image = nibabel.Nifti1Image(array, files.AFFINE)
    image.header.set_slope_inter(0.5, 3)
    nibabel.save(image, tmp_path / "two.nii")
    volume = read_nifti(tmp_path / "two.nii")
    assert volume.voxels.shape == (2, *files.SHAPE)
    stored = nibabel.load(tmp_path / "two.nii")
    np.testing.assert_allclose(volume.voxels[1], stored.dataobj.get_unscaled()[..., 1] * 0.5 + 3)


def test_a_damaged_file_is_named(tmp_path):
    path = files.write_nifti(tmp_path / "a.nii.gz", files.ball(0)[0])
    content = path.read_bytes()
    for broken in (content[: len(content) // 2], content[:100], b"no NIfTI at all", b"", gzip.compress(b"x" * 400)):
        path.write_bytes(broken)
        with pytest.raises(DataError, match=r"volume '.*a.nii.gz' is (damaged or no NIfTI|a \w+, not NIfTI).*; "):
            read_nifti(path)
    with pytest.raises(DataError, match="'.*b.nii.gz' does not exist"):
        read_nifti(tmp_path / "b.nii.gz")


def test_impossible_affines_are_refused(tmp_path):
    voxels = files.ball(0)[0]
    sheared = files.AFFINE.copy()
    sheared[0, 1] = 0.7
    huge = np.diag([1, 1, 5000.0, 1])
    for affine, sentence in (
        (sheared, "has axes that are not at right angles; resample it"),
        (huge, "has an affine with spacings of 1, 1, 5000 mm; write the file again"),
    ):
        with pytest.raises(DataError, match=sentence):
            read_nifti(files.write_nifti(tmp_path / "a.nii", voxels, affine))
    image = nibabel.Nifti1Image(voxels, files.AFFINE)
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    nibabel.save(image, tmp_path / "none.nii")
    with pytest.raises(DataError, match="has no affine"):
        read_nifti(tmp_path / "none.nii")
    with pytest.raises(DataError, match="an affine that is not 4x4 finite numbers"):
        Volume("a", voxels[None], np.full((4, 4), np.nan))


def test_labels_are_class_indices(tmp_path):
    labels = files.ball(0, classes=3)[1]
    path = files.write_nifti(tmp_path / "label.nii", labels)
    assert read_labels(path, 3).voxels.max() == 2
    with pytest.raises(DataError, match="label '.*label.nii' holds 2, but classes are 0 to 1; see --classes"):
        read_labels(path, 1)
    for factor, told in ((0.5, "0.5"), (np.nan, "nan")):
        with pytest.raises(DataError, match=f"holds {told}, but classes are 0 to 2"):
            read_labels(files.write_nifti(tmp_path / "half.nii", labels * np.float32(factor)), 3)


def test_a_series_is_sorted_by_position_in_the_modalitys_unit(tmp_path):
    voxels, _ = files.ball(0)
    series = files.write_series(tmp_path / "ct", voxels)
    (series / "notes.txt").write_text("not DICOM")
    assert is_series(series)
    volume = read_series(series)
    np.testing.assert_array_equal(volume.voxels[0], 2.0 * voxels - 1000)
    assert volume.spacing_mm == pytest.approx((0.8, 0.7, 2.5))
    assert volume.orientation == "LPS"
    first = volume.affine @ [0, 0, 0, 1]
    assert first[:3].tolist() == [30.0, 40.0, 100.0]  # (-30, -40, 100) in LPS


def rewritten(path, **elements):
    found = pydicom.dcmread(path)
    for name, value in elements.items():
        setattr(found, name, value)
    pydicom.dcmwrite(path, found)


def test_series_with_a_gap_are_refused(tmp_path):
    voxels = files.ball(0)[0]
    series = files.write_series(tmp_path / "gap", voxels, reverse=False, skip=(4, 5))
    with pytest.raises(DataError, match="lacks about 2 slices between 'IM003.dcm' and 'IM006.dcm', 7.5 mm apart where"):
        read_series(series)


@pytest.mark.parametrize(
    ("elements", "sentence"),
    [
        ({"SeriesInstanceUID": "1.2.3"}, "mixes two series"),
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "lies in another plane than 'IM000.dcm'; remove it"),
        ({"PixelSpacing": [1, 1]}, r"has PixelSpacing \[1.0, 1.0\]|has PixelSpacing \[1, 1\]"),
        ({"ImagePositionPatient": [-30.0, -40.0, 100.0]}, "lie at one place; keep one of them"),
        (
            {"ImagePositionPatient": [-30.0, -38.0, 105.0]},
            "are shifted by up to 2 mm against each other, as by a tilted",
        ),
        ({"ImagePositionPatient": None}, "lacks ImagePositionPatient; export the series again"),
        ({"PixelSpacing": [1, 1, 1]}, "has PixelSpacing .*, not 2 numbers; export it again"),
        ({"ImageOrientationPatient": [2, 0, 0, 0, 1, 0]}, "not two directions at right angles"),
        ({"PixelData": b"\0" * 10}, "slice '.*IM002.dcm' cannot be read"),
        ({"RescaleSlope": "", "RescaleIntercept": ""}, "slice '.*IM002.dcm' cannot be read .* export the series again"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "has PhotometricInterpretation MONOCHROME1, 'IM000.dcm' has"),
        ({"NumberOfFrames": 3}, "slice '.*IM002.dcm' holds 3 frames; convert it to NIfTI, or take it out"),
    ],
)
def test_series_that_are_not_one_are_refused(tmp_path, elements, sentence):
    series = files.write_series(tmp_path / "ct", files.ball(0, (8, 8, 5))[0], reverse=False)
    rewritten(series / "IM002.dcm", **elements)
    with pytest.raises(DataError, match=sentence):
        read_series(series)


def test_a_slice_that_lost_its_header_is_not_left_out(tmp_path):
    series = files.write_series(tmp_path / "ct", files.ball(0, (8, 8, 5))[0], reverse=False)
    (series / "IM004.dcm").write_bytes(b"")
    with pytest.raises(DataError, match="slice '.*IM004.dcm' does not begin as a DICOM file; fetch the series again"):
        read_series(series)


@pytest.mark.parametrize("size", [140, 200, 400])
def test_a_slice_cut_before_its_pixels_is_not_left_out(tmp_path, size):
    series = files.write_series(tmp_path / "ct", files.ball(0, (8, 8, 5))[0], reverse=False)
    (series / "IM004.dcm").write_bytes((series / "IM004.dcm").read_bytes()[:size])
    with pytest.raises(DataError, match="slice '.*IM004.dcm' cannot be read .*; export the series again"):
        read_series(series)


def test_a_report_beside_the_slices_is_left_alone(tmp_path):
    series = files.write_series(tmp_path / "ct", files.ball(0, (8, 8, 5))[0], reverse=False)
    report = pydicom.dcmread(series / "IM004.dcm")
    del report.PixelData
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    pydicom.dcmwrite(series / "report.dcm", report)
    assert read_series(series).shape == (8, 8, 5)


def test_a_table_of_the_modality_is_applied(tmp_path):
    series = files.write_series(tmp_path / "ct", np.arange(8 * 8 * 5).reshape(8, 8, 5), reverse=False)
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [320, 0, 16], "HU"
    table.add_new("LUTData", "US", [3 * code + 7 for code in range(320)])
    for path in series.iterdir():
        found = pydicom.dcmread(path)
        del found.RescaleSlope, found.RescaleIntercept
        found.ModalityLUTSequence = [table]
        pydicom.dcmwrite(path, found)
    np.testing.assert_array_equal(read_series(series).grey, 3 * np.arange(320).reshape(8, 8, 5) + 7)


def test_colours_are_refused(tmp_path):
    series = files.write_series(tmp_path / "ct", files.ball(0, (8, 8, 3))[0])
    for path in series.iterdir():
        rewritten(path, PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(DataError, match="has the colours PALETTE COLOR; give a series of grey slices"):
        read_series(series)


def test_a_folder_without_a_series_is_refused(tmp_path):
    with pytest.raises(DataError, match="has 0 DICOM slices; give the folder of a whole series"):
        read_series(tmp_path)
    assert not is_series(tmp_path)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_stack_of_pictures_is_a_volume_without_spacing(tmp_path, bits):
    voxels, labels = files.write_stack(tmp_path, "TCGA_CS_1", bits=bits)
    (case,) = [case for split in ("train", "val") for case in cases_or_none(tmp_path, split)]
    image, label = case.read(1)
    grey = np.clip(voxels, 0, 500).astype(int)
    np.testing.assert_array_equal(image.voxels[0], grey * 100 if bits == 16 else grey // 2)
    np.testing.assert_array_equal(label.voxels[0], labels)
    assert not image.has_spacing


def test_slices_that_do_not_belong_together_are_refused(tmp_path):
    files.write_stack(tmp_path, "A")
    third = tmp_path / "images" / "A_003.png"
    for picture, told in (
        (np.zeros((16, 21), np.uint8), "A_003.png' is unlike '.*A_001.png': 16x20 of 8 bits and 16x21 of 8 bits"),
        (np.zeros((16, 20), np.uint16), "16x20 of 8 bits and 16x20 of 16 bits; give slices of one size and depth"),
        (np.full((16, 20), 70000, np.int32), "A_003.tif' has values outside 0 to 65535; save it with 16 bits"),
    ):
        third.unlink()
        third = third.with_suffix(".tif" if picture.dtype == np.int32 else ".png")  # PNG has no 32 bits
        Image.fromarray(picture).save(third)
        (case,) = [case for split in ("train", "val") for case in cases_or_none(tmp_path, split)]
        with pytest.raises(DataError, match=told):
            case.read(1)


def cases_or_none(folder, split):
    try:
        return list_cases(folder, split)
    except DataError as error:
        assert "has no case" in str(error)
        return []


def test_names_of_slices():
    assert patient_and_slice("TCGA_CS_5396_001") == ("TCGA_CS_5396", 1)
    assert patient_and_slice("scan") is None


def test_another_grid_than_the_images_is_refused():
    voxels, labels = files.ball(0)
    image = Volume("scan.nii", voxels[None], files.AFFINE)
    with pytest.raises(DataError, match="label 'mask.nii' has 16x18x13 voxels, its image 16x18x14"):
        require_same_grid(image, Volume("mask.nii", labels[None, :, :, 1:], files.AFFINE))
    with pytest.raises(DataError, match="has another affine than its image 'scan.nii'"):
        require_same_grid(image, Volume("mask.nii", labels[None], files.AFFINE @ np.diag([-1.0, 1, 1, 1])))
