"""Codes, resampling, crop, patches and slabs: against the window, a linear ramp, and slices taken by hand."""

import files
import numpy as np
import pytest
import torch

from board.intensity import Window
from quant.base.errors import ConfigError
from quant.volumes.patches import PatchSampler
from quant.volumes.scans import cropped_to_body, load_scans, on_file_grid
from quant.volumes.slabs import require_slices, slabs, stacked


@pytest.fixture
def folder(tmp_path):
    return files.write_set(tmp_path, ["a", "b"], classes=3, lists={"val": ["a", "b"]})


def test_codes_are_the_windows(folder):
    window = Window("zscore", -3, 3)
    first, second = load_scans(folder, "val", window, 3)
    np.testing.assert_array_equal(second.codes[0].numpy(), window.codes(files.ball(1, classes=3)[0]))
    np.testing.assert_array_equal(second.labels.numpy(), second.truth)
    assert first.codes.dtype == torch.uint8 and first.file.spacing_mm == (1.0, 1.5, 2.0)


def test_resampling_keeps_places(tmp_path):
    """A ramp along y, in mm, is the same ramp on any grid."""
    voxels = np.broadcast_to(10 * np.arange(18)[None, :, None], files.SHAPE).astype(np.int16)
    labels = (voxels > 80).astype(np.uint8)
    for kind, array in (("images", voxels), ("masks", labels)):
        files.write_nifti(tmp_path / kind / "a.nii", array)
    (tmp_path / "val.txt").write_text("a")
    (scan,) = load_scans(tmp_path, "val", Window("fixed", 0, 255), spacing_mm=(1, 0.75, 1))
    assert tuple(scan.codes.shape) == (1, 16, 35, 27)
    np.testing.assert_allclose(scan.codes[0, 8, :, 13].numpy(), 5 * np.arange(35), atol=1)
    assert tuple(np.linalg.norm(scan.affine[:3, :3], axis=0)) == (1, 0.75, 1)
    np.testing.assert_array_equal(on_file_grid(scan.labels, scan), labels)


def test_a_crop_to_the_body_leaves_the_dark_out(tmp_path):
    voxels, labels = files.ball(0)
    voxels[:] = 0
    voxels[5:11, 6:12, 4:10] = 50
    for kind, array in (("images", voxels), ("masks", labels)):
        files.write_nifti(tmp_path / kind / "a.nii", array)
    (tmp_path / "val.txt").write_text("a")
    (scan,) = load_scans(tmp_path, "val", Window("fixed", 0, 100))
    cut = cropped_to_body(scan, margin=1)
    assert tuple(cut.codes.shape) == (1, 8, 8, 8)
    np.testing.assert_array_equal(cut.labels.numpy(), labels[4:12, 5:13, 3:11])


def test_a_stack_cannot_be_resampled(tmp_path):
    files.write_stack(tmp_path, "A")
    (tmp_path / "val.txt").write_text("A")
    with pytest.raises(ConfigError, match="--spacing needs volumes that say theirs; 'A' is a stack of pictures"):
        load_scans(tmp_path, "val", Window(), spacing_mm=(1, 1, 2))


@pytest.mark.parametrize("slices", [1, 3, 5])
def test_slabs_are_neighbours_with_the_edges_repeated(slices):
    volume = torch.from_numpy(np.random.default_rng(slices).integers(0, 256, (2, 4, 5, 6), np.uint8))
    found = slabs(volume, slices)
    assert found.shape == (6, 2 * slices, 5, 4) and found.dtype == torch.uint8
    k = slices // 2
    for z in range(6):
        for channel in range(2):
            for offset in range(-k, k + 1):
                plane = volume[channel, :, :, min(max(z + offset, 0), 5)].T
                torch.testing.assert_close(found[z, channel * slices + k + offset], plane)
    torch.testing.assert_close(stacked(found[:, k : k + 1]), volume[:1])


def test_even_numbers_of_slices_are_refused():
    for slices in (2, 0, -1):
        with pytest.raises(ConfigError, match=f"--slices must be odd .*, got {slices}"):
            require_slices(slices)


def test_more_slices_than_a_board_takes_are_refused():
    require_slices(15)
    with pytest.raises(ConfigError, match="are channels, of which a board takes 16, got 17; give fewer"):
        require_slices(17)


def test_a_spacing_of_too_many_voxels_is_refused(folder):
    with pytest.raises(ConfigError, match="--spacing makes 15001x25501x26001 voxels of '.*', too many for memory"):
        load_scans(folder, "val", Window(), 3, (0.001, 0.001, 0.001))


def test_patches_are_cut_from_scans_and_follow_the_seed(folder):
    scans = load_scans(folder, "val", Window(), 3)
    sampler = PatchSampler(scans, (8, 8, 8), 1.0)
    drawn = list(sampler.batches(6, 2, seed=4))
    for codes, labels in drawn:
        assert codes.shape == (2, 1, 8, 8, 8) and labels.shape == (2, 1, 8, 8, 8)
        assert (labels.flatten(1).amax(1) > 0).all()  # all centred on foreground
    again = list(PatchSampler(scans, (8, 8, 8), 1.0).batches(6, 2, seed=4))
    other = list(sampler.batches(6, 2, seed=5))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(drawn, again, strict=True))
    assert not all(torch.equal(a[0], b[0]) for a, b in zip(drawn, other, strict=True))


@pytest.mark.parametrize("slices", [0, 3])
def test_patches_that_are_not_flipped_stay_as_they_are(folder, slices):
    scans = load_scans(folder, "val", Window(), 3)
    patch = files.SHAPE[:2] if slices else files.SHAPE
    whole = {scan.codes.sum().item(): scan.codes for scan in scans}
    seen = {slab.sum().item(): slab for scan in scans for slab in slabs(scan.codes, slices)} if slices else whole
    turned = {}
    for is_flipped in (False, True):
        batches = PatchSampler(scans, patch, 0.5, slices, is_flipped=is_flipped).batches(8, 2, seed=1)
        patches = [one for codes, _ in batches for one in codes]
        turned[is_flipped] = [not torch.equal(one, seen[one.sum().item()]) for one in patches]
    assert not any(turned[False]) and any(turned[True])


def test_the_share_of_foreground_patches_is_the_asked_one(tmp_path):
    """One bright voxel in a large dark volume: a patch of 1 voxel is on it exactly when it is a foreground patch."""
    labels = np.zeros((16, 16, 16), np.uint8)
    labels[3, 4, 5] = 1
    for kind in ("images", "masks"):
        files.write_nifti(tmp_path / kind / "a.nii", labels)
    (tmp_path / "val.txt").write_text("a")
    scans = load_scans(tmp_path, "val", Window("fixed", 0, 1))
    on_foreground = [labels.item() for _, labels in PatchSampler(scans, (1, 1, 1), 1 / 3).batches(90, 1, seed=2)]
    assert 0.2 < np.mean(on_foreground) < 0.47


def test_patches_of_slabs_show_the_middle_slice(folder):
    scans = load_scans(folder, "val", Window(), 3)
    k, known = 1, {}
    for scan in scans:
        of_slabs = slabs(scan.codes, 2 * k + 1)
        known |= {of_slabs[z].sum().item(): scan.labels[:, :, z].sum().item() for z in range(files.SHAPE[2])}
    for codes, labels in PatchSampler(scans, files.SHAPE[:2], 0.5, 2 * k + 1).batches(8, 2, seed=1):
        assert codes.shape == (2, 3, 18, 16) and labels.shape == (2, 1, 18, 16)
        for slab, label in zip(codes, labels, strict=True):
            assert known[slab.sum().item()] == label.sum().item()
