"""NIfTI by numpy alone against nibabel: voxels, affine, orientation, what is written, and files that are refused."""

import gzip
import struct

import nibabel
import numpy as np
import pytest

from board.errors import InputError
from board.nifti import is_nifti, read_scan, write_labels

SEED = 5
TURNED = np.array([[0, -0.8, 0, 4], [0, 0, 3.0, -7], [1.5, 0, 0, 2], [0, 0, 0, 1]], float)  # SLA and its spacing


def voxels(dtype, shape=(5, 4, 3)):
    return np.random.default_rng(SEED).integers(0, 120, shape).astype(dtype)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
)
def test_a_file_of_nibabel_is_read_as_nibabel_reads_it(tmp_path, dtype, ending):
    path = tmp_path / f"scan{ending}"
    nibabel.Nifti1Image(voxels(dtype), TURNED, dtype=dtype).to_filename(path)
    scan, image = read_scan(path), nibabel.load(path)
    np.testing.assert_array_equal(scan.voxels, np.asarray(image.dataobj))
    np.testing.assert_allclose(scan.affine, image.affine)
    assert scan.orientation == "".join(nibabel.aff2axcodes(image.affine))
    np.testing.assert_allclose(scan.spacing_mm, image.header.get_zooms())


def test_scaling_big_endian_and_a_quaternion_are_read(tmp_path):
    header = nibabel.Nifti1Header(endianness=">")
    image = nibabel.Nifti1Image(voxels(">i2"), None, header)
    turned = np.array([[0.6, -0.8, 0, 3], [0.8, 0.6, 0, 1], [0, 0, -2.5, 9], [0, 0, 0, 1]])
    image.set_qform(turned, code=1)
    image.header.set_slope_inter(0.5, -3)
    image.to_filename(tmp_path / "scan.nii")
    raw = bytearray((tmp_path / "scan.nii").read_bytes())
    struct.pack_into(">2f", raw, 112, 0.5, -3.0)  # nibabel scales by its own slope when it writes
    (tmp_path / "scan.nii").write_bytes(raw)
    scan, image = read_scan(tmp_path / "scan.nii"), nibabel.load(tmp_path / "scan.nii")
    np.testing.assert_allclose(scan.voxels, image.get_fdata(), rtol=1e-6)
    np.testing.assert_allclose(scan.affine, image.affine, atol=1e-6)
    np.testing.assert_allclose(scan.affine, turned, atol=1e-6)
    assert scan.orientation == "".join(nibabel.aff2axcodes(image.affine))


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_labels_keep_the_grid_of_their_scan(tmp_path, ending):
    image = nibabel.Nifti1Image(voxels("int16"), TURNED)
    image.header.set_xyzt_units("mm")
    image.set_qform(TURNED, code=2)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"kept"))
    image.to_filename(tmp_path / "scan.nii.gz")
    labels = voxels("uint8") > 60
    write_labels(tmp_path / f"mask{ending}", labels, read_scan(tmp_path / "scan.nii.gz"))
    found, image = nibabel.load(tmp_path / f"mask{ending}"), nibabel.load(tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(np.asarray(found.dataobj), labels)
    assert found.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(found.affine, image.affine)
    np.testing.assert_array_equal(found.get_qform(), image.get_qform())
    assert found.header.get_xyzt_units() == image.header.get_xyzt_units()
    assert [extension.get_content() for extension in found.header.extensions] == [b"kept"]


def patched(offset, layout, *values):
    def change(raw):
        struct.pack_into(layout, raw, offset, *values)
        return raw

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda raw: raw[:200], "no NIfTI-1 file of header and voxels in one; convert it"),
        (lambda raw: raw[:-7], "7 bytes of its voxels are missing"),
        (patched(344, "4s", b"ni1\0"), "no NIfTI-1 file of header and voxels in one"),
        (patched(0, "<i", 540), "its header has another length"),
        (patched(40, "<8h", 4, 5, 4, 3, 2, 1, 1, 1), "has 5x4x3x2 voxels; give one volume of one channel"),
        (patched(40, "<8h", 2, 5, 4, 3, 1, 1, 1, 1), "give one volume of one channel"),
        (patched(40, "<8h", 3, 30000, 30000, 3, 1, 1, 1, 1), "more than 67108864 voxels; cut it"),
        (patched(70, "<h", 32), "neither integers nor floats"),
        (patched(108, "<f", float("nan")), "its voxels begin at byte nan"),
        (patched(252, "<2h", 0, 0), "has no affine"),
        (patched(280, "<4f", 0, 0, 0, 0), "an affine without sense"),
        (patched(280, "<4f", float("nan"), 0, 0, 0), "an affine without sense"),
        (patched(280, "<4f", 1, 1, 0, 0), "axes that are not at right angles"),
    ],
)
def test_what_is_no_scan_is_one_sentence(tmp_path, change, sentence):
    path = tmp_path / "scan.nii"
    nibabel.Nifti1Image(voxels("int16"), np.eye(4)).to_filename(path)
    path.write_bytes(change(bytearray(path.read_bytes())))
    with pytest.raises(InputError, match=sentence):
        read_scan(path)


def test_a_folder_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="is a folder; give a NIfTI file, such as dcm2niix makes of a DICOM series"):
        read_scan(tmp_path)


def test_a_file_that_is_missing_or_cut_in_its_compression_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_scan(tmp_path / "none.nii")
    whole = gzip.compress(bytes(1000))
    (tmp_path / "cut.nii.gz").write_bytes(whole[:12])
    with pytest.raises(InputError, match="damaged or no NIfTI-1"):
        read_scan(tmp_path / "cut.nii.gz")


@pytest.mark.parametrize("change", [lambda raw: raw[:-4], lambda raw: raw[:-6] + bytes([raw[-6] ^ 1]) + raw[-5:]])
def test_a_gzipped_file_is_read_to_its_checksum(tmp_path, change):
    path = tmp_path / "scan.nii.gz"
    nibabel.Nifti1Image(voxels("int16"), np.eye(4)).to_filename(path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match="damaged or no NIfTI-1"):
        read_scan(path)


def test_labels_never_replace_their_scan(tmp_path):
    path = tmp_path / "scan.nii"
    nibabel.Nifti1Image(voxels("int16"), np.eye(4)).to_filename(path)
    (tmp_path / "link.nii").symlink_to(path)
    (tmp_path / "folder.nii").mkdir()
    before = path.read_bytes()
    for name, sentence in (
        ("scan.nii", "is the scan itself"),
        ("link.nii", "the scan itself"),
        ("folder.nii", "folder"),
    ):
        with pytest.raises(InputError, match=sentence):
            write_labels(tmp_path / name, voxels("uint8"), read_scan(path))
    assert path.read_bytes() == before


def test_names_say_what_is_nifti(tmp_path):
    assert is_nifti("a/SCAN.NII.GZ") and is_nifti("b.nii") and not is_nifti("b.png")
    nibabel.Nifti1Image(voxels("int16"), np.eye(4)).to_filename(tmp_path / "scan.nii")
    with pytest.raises(InputError, match="end it with .nii.gz or .nii"):
        write_labels(tmp_path / "mask.png", voxels("uint8"), read_scan(tmp_path / "scan.nii"))
