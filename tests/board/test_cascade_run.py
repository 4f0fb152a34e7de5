"""A cascade over stand-in networks: frames and crops that each stage sees, loads, the fused masks, and refusals."""

import contextlib
import json

import nibabel
import numpy as np
import pytest
import torch
from scipy import special

from board import cli
from board.cascade import FusionTable, enlarged, reduced
from board.cascade_run import Cascade
from board.cascade_spec import CascadeSpec, read_cascade
from board.errors import InputError
from board.intensity import Window
from board.io_spec import FrameLayout, IoSpec
from board.nifti import read_scan
from board.slices import Slices
from board.volume_spec import VolumeSpec
from quant.volumes.slabs import slabs

SEED = 11
SCALE1, SCALE2 = 1 / 32, 1 / 16
WEIGHT, THRESHOLD = 0.5, 0.6
AXES = VolumeSpec(Window("fixed", 0.0, 255.0), 3, "RAS", [1.0, 1.0, 2.0])


def first_logits(frames):
    return (frames[..., 1].astype(np.int32) - 128)[..., None]


def second_logits(frames):
    return (frames[..., 1].astype(np.int32) + frames[..., 0] - 300)[..., None]


class Networks:
    """Opens networks that compute ``functions``, and records loads and the shapes of their frames."""

    def __init__(self, first=(8, 8), second=(4, 6), functions=(first_logits, second_logits)):
        self.layouts = [FrameLayout(*size, 3) for size in (first, second)]
        self.functions, self.loads, self.shapes = functions, [], [set(), set()]

    @contextlib.contextmanager
    def open(self, stage):
        self.loads.append(stage)
        yield type("Network", (), {"stream": lambda _, frames, logits: self.stream(stage, frames)})()

    def stream(self, stage, frames):
        for frame in frames:
            self.shapes[stage].add(frame.shape)
            yield self.functions[stage](frame)

    def cascade(self, report=lambda line: None, **options):
        spec = CascadeSpec.of_scales(SCALE1, SCALE2, WEIGHT, THRESHOLD, **options)
        return Cascade(spec, self.layouts, self.open, report)


def fused(frames, crop, factor=1):
    """Masks (Z, H, W) of the definition in floats, inside ``crop``."""
    small = np.stack([reduced(frame, factor) for frame in frames])
    logits1 = first_logits(small)[..., 0].repeat(factor, 1).repeat(factor, 2)
    score = WEIGHT * special.expit(SCALE1 * logits1[crop])
    score = score + (1 - WEIGHT) * special.expit(SCALE2 * second_logits(frames)[..., 0][crop])
    mask = np.zeros(frames.shape[:3], bool)
    mask[crop] = score >= THRESHOLD
    return mask


def blob(shape=(16, 16, 3), at=(6, 9)):
    image = np.random.default_rng(SEED).integers(0, 90, shape).astype(np.uint8)
    image[at[0] - 2 : at[0] + 2, at[1] - 2 : at[1] + 2] = 220
    return image


def test_codes_are_reduced_to_means_and_logits_repeated():
    codes = np.random.default_rng(SEED).integers(0, 256, (6, 9, 3)).astype(np.uint8)
    means = torch.nn.functional.avg_pool2d(torch.from_numpy(codes).permute(2, 0, 1).double(), 3)
    np.testing.assert_array_equal(reduced(codes, 3), (means + 0.5).floor().permute(1, 2, 0).numpy())
    logits = np.arange(6, dtype=np.int32).reshape(2, 3)
    np.testing.assert_array_equal(enlarged(logits, 2), np.kron(logits, np.ones((2, 2), int)))
    assert reduced(codes, 1) is codes


def test_an_image_goes_through_both_stages():
    networks = Networks()
    found = networks.cascade(reduction=2).segment(blob())
    assert networks.shapes == [{(8, 8, 3)}, {(4, 6, 3)}] and networks.loads == [0, 1]
    assert found.crop == (slice(4, 8), slice(6, 12))
    assert found.mask.any()
    np.testing.assert_array_equal(found.mask, fused(blob()[None], (0, *found.crop), 2)[0])


def test_a_batch_loads_each_network_once_and_the_second_only_where_it_is_needed():
    networks, told = Networks(), []
    dark = np.zeros((16, 16, 3), np.uint8)
    found = networks.cascade(told.append, reduction=2).segment_batch([blob(), dark, blob(at=(15, 15))])
    assert networks.loads == [0, 1]
    assert found[1].crop is None and not found[1].mask.any()
    assert "its mask is the answer" in found[1].note and found[1].note in told
    assert found[2].crop == (slice(12, 16), slice(10, 16))  # at a corner: moved inside
    networks.loads.clear()
    assert networks.cascade(reduction=2).segment(dark).crop is None and networks.loads == [0]
    assert networks.cascade(reduction=2).segment_batch([]) == []


@pytest.mark.parametrize("depth", [None, 2, 99])
def test_a_volume_goes_slice_by_slice_with_its_neighbours(depth):
    networks = Networks((16, 12))
    codes = np.random.default_rng(SEED).integers(0, 90, (9, 13, 7)).astype(np.uint8)
    codes[4:7, 5:9, 2:5] = 230
    found = networks.cascade(depth=depth).segment_volume(codes)
    assert networks.loads == [0, 1] and networks.shapes == [{(16, 12, 3)}, {(4, 6, 3)}]
    assert found.mask.shape == codes.shape and found.mask.any()
    padded = np.zeros((12, 16, 7), np.uint8)
    padded[1:10, 1:14] = codes  # 3 free columns: 1 before; 3 free rows: 1 before
    frames = slabs(torch.from_numpy(padded)[None], 3).permute(0, 2, 3, 1).numpy()
    assert found.crop[0] == (slice(2, 4) if depth == 2 else slice(0, 7))
    np.testing.assert_array_equal(found.mask, fused(frames, found.crop).transpose(2, 1, 0)[1:10, 1:14])


def test_slices_are_refused_where_they_do_not_fit():
    codes = np.zeros((9, 13, 7), np.uint8)
    with pytest.raises(InputError, match=r"slices of 13x9 \(y, x\) are larger than the network's image of 8x8; cut"):
        Slices(codes, 8, 8, 3)
    with pytest.raises(InputError, match="slices must be odd"):
        Slices(codes, 16, 16, 2)


def scan_file(path, affine=(1, 1, 2), value=230):
    voxels = np.zeros((9, 13, 7), np.int16)
    voxels[4:7, 5:9, 2:5] = value
    nibabel.Nifti1Image(voxels, np.diag([*affine, 1])).to_filename(path)
    return path


@pytest.mark.parametrize(
    ("affine", "sentence"),
    [
        ((-1, 1, 2), "has orientation LAS, the networks were trained on RAS; turn it"),
        ((1, 1, 3), "has voxels of 1 x 1 x 3 mm, the networks were trained on 1 x 1 x 2 mm; resample it"),
    ],
)
def test_a_scan_of_another_orientation_or_spacing_is_one_sentence(tmp_path, affine, sentence):
    scan = read_scan(scan_file(tmp_path / "scan.nii", affine))
    with pytest.raises(InputError, match=sentence):
        Networks((16, 12)).cascade(volume=AXES).segment_scan(scan)


def test_an_empty_volume_is_empty_and_a_cascade_for_images_takes_no_scan(tmp_path):
    scan = read_scan(scan_file(tmp_path / "scan.nii", value=0))
    networks = Networks((16, 12))
    assert not networks.cascade(volume=AXES).segment_scan(scan).mask.any() and networks.loads == [0]
    with pytest.raises(InputError, match="this cascade is for images"):
        networks.cascade().segment_scan(scan)


def test_networks_that_do_not_fit_each_other_are_refused():
    for layouts, options, sentence in (
        ([FrameLayout(8, 8, 3, 2), FrameLayout(4, 4, 3)], {}, "networks of one class, these have 2 and 1"),
        (
            [FrameLayout(8, 8, 3, 1, 4, 4), FrameLayout(4, 4, 3)],
            {},
            "gives masks of another size than its image; use one",
        ),
        ([FrameLayout(8, 8, 3), FrameLayout(4, 4, 1)], {}, "take 3 and 1 channels; both see one image"),
        (
            [FrameLayout(8, 8, 3), FrameLayout(4, 32, 3)],
            {"reduction": 2},
            "crop of 4x32 is larger than the image of 16",
        ),
        ([FrameLayout(8, 8, 1), FrameLayout(4, 4, 1)], {"volume": AXES}, "take 1 channels, its frames have 3 slices"),
    ):
        with pytest.raises(InputError, match=sentence):
            Cascade(CascadeSpec.of_scales(1, 1, 0.5, 0.6, **options), layouts, None)
    with pytest.raises(InputError, match=r"the image is uint8 \(8, 8, 3\), the cascade takes uint8 \(16, 16, 3\)"):
        Networks().cascade(reduction=2).segment(np.zeros((8, 8, 3), np.uint8))


def test_what_joins_them_is_read_as_it_was_written(tmp_path):
    spec = CascadeSpec.of_scales(SCALE1, SCALE2, 0.4, 0.5, reduction=2, depth=8, volume=AXES, networks=("a", "b"))
    (tmp_path / "cascade.json").write_text(spec.text())
    found = read_cascade(tmp_path)
    assert found.text() == spec.text()
    expected = FusionTable.of(SCALE1, SCALE2, 0.4, 0.5)
    assert found.table.first == expected.first
    np.testing.assert_array_equal(found.table.least, expected.least)
    assert found.table.least.dtype == np.int32


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": 2}, "is not a cascade of version 1; write it again"),
        ({"reduction": 0}, "reduction must be a whole number above 0, got 0"),
        ({"reduction": 10**9}, "reduction must be at most 64, got 1000000000"),
        ({"origin": "x"}, "origin must be an object, got 'x'; copy it again"),
        ({"fusion": {"first": 10**12, "least": [1]}}, "its fusion is not a table"),
        ({"depth": True}, "depth must be a whole number above 0, got True"),
        ({"networks": ["a"]}, "a cascade has two"),
        ({"fusion": {"first": 0, "least": [1, 2]}}, "its fusion is not a table of logits that never increase"),
        ({"fusion": {"first": 0, "least": [2**40]}}, "its fusion is not a table"),
        ({"fusion": []}, "its fusion is not a table"),
        ({"volume": {"slices": 3}}, "a volume has window, slices, orientation and spacing_mm"),
        ({"volume": {**AXES.as_dict(), "slices": 2}}, "slices must be odd"),
        ({"volume": {**AXES.as_dict(), "spacing_mm": [1, 2]}}, "spacing_mm must be null or three distances"),
    ],
)
def test_a_file_without_sense_is_one_sentence(tmp_path, change, sentence):
    whole = json.loads(CascadeSpec.of_scales(1, 1, 0.5, 0.6, networks=("a", "b")).text())
    (tmp_path / "cascade.json").write_text(json.dumps({**whole, **change}))
    with pytest.raises(InputError, match=sentence):
        read_cascade(tmp_path)
    (tmp_path / "cascade.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        read_cascade(tmp_path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A cascade's folder for scans, stand-in networks behind every command."""
    sizes = {"first": (16, 12), "second": (4, 6)}
    networks = Networks(*sizes.values())
    for stage, (height, width) in sizes.items():
        (tmp_path / stage).mkdir()
        (tmp_path / stage / "io_spec.json").write_text(IoSpec(stage, 1, height, width, 3).text())
        np.savez(tmp_path / stage / "golden.npz", model_sha256=np.array(stage))
    spec = CascadeSpec.of_scales(SCALE1, SCALE2, WEIGHT, THRESHOLD, volume=AXES, networks=("first", "second"))
    (tmp_path / "cascade.json").write_text(spec.text())
    monkeypatch.setattr(cli, "_accelerator", lambda _, deploy: networks.open(int(deploy.folder.endswith("second"))))
    return tmp_path


def test_infer_takes_a_scan_to_a_mask_on_its_grid(folder, capsys):
    scan = scan_file(folder / "scan.nii.gz")
    assert cli.main(["infer", str(scan), "--out", str(folder / "out" / "mask.nii.gz"), "--deploy", str(folder)]) == 0
    mask = nibabel.load(folder / "out" / "mask.nii.gz")
    expected = Networks((16, 12)).cascade(volume=AXES).segment_scan(read_scan(scan)).mask
    np.testing.assert_array_equal(np.asarray(mask.dataobj), expected)
    np.testing.assert_array_equal(mask.affine, nibabel.load(scan).affine)
    told = capsys.readouterr()
    assert "foreground" in told.out and told.err == "stage 1: on whole images\nstage 2: on crops\n"


def test_infer_takes_images_through_a_cascade_too(folder, capsys):
    np.save(folder / "lesion.npy", blob((16, 12, 3), (8, 7)))
    np.save(folder / "dark.npy", np.zeros((16, 12, 3), np.uint8))
    images = [str(folder / "lesion.npy"), str(folder / "dark.npy")]
    assert cli.main(["infer", *images, "--out", str(folder / "out"), "--deploy", str(folder)]) == 0
    lesion, dark = capsys.readouterr().out.splitlines()
    assert "stage 1 found 0 foreground elements" in dark and "stage 1" not in lesion
    assert (folder / "out" / "lesion_overlay.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["scan.nii", "--out", "out", "--deploy", "first"], "the labels of a scan are a NIfTI file, --out is 'out'"),
        (
            ["scan.nii", "--out", "mask.png", "--deploy", "."],
            "the labels of a scan are a NIfTI file, --out is 'mask.png'",
        ),
        (["a.nii", "b.nii", "--out", "m.nii", "--deploy", "."], "give one scan at a time"),
        (["none.nii", "--out", "m.nii", "--deploy", "."], "scan 'none.nii' cannot be read"),
    ],
)
def test_what_infer_cannot_do_is_one_sentence(folder, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(folder)
    assert cli.main(["infer", *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_a_deploy_folder_of_another_network_is_refused(folder, capsys):
    np.savez(folder / "second" / "golden.npz", model_sha256=np.array("other"))
    scan = scan_file(folder / "scan.nii")
    assert cli.main(["infer", str(scan), "--out", str(folder / "m.nii"), "--deploy", str(folder)]) == 2
    assert "second' holds another network than cascade.json was made for" in capsys.readouterr().err
