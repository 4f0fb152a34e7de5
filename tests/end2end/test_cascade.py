"""A cascade of two tiny networks from a NIfTI scan to its mask by the simulated board, as `make sim-board` runs it: one
bitstream after the other, and both accelerators in one.

Slow for pynq's environment and two simulators; the mask is compared byte by byte with the integer reference's, and that
one with torch's floats.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from scipy import special

from board.intensity import Window
from board.nifti import read_scan
from board.slices import Slices
from quant.__main__ import main
from quant.base import checkpoint as checkpoints
from quant.evaluation.cascade import reference
from quant.twin.networks import from_checkpoint
from quant.volumes.slabs import slabs
from tests.hw_build.pynq_sim.on_board import RUN_NOTEBOOK, follow_readme, on_board

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
SEED = 21
RECIPE = """
model = "cmunext-tiny-hw"

[cascade]
first = "coarse"
second = "fine"
crop = [32, 32]
threshold = 0.5

[[stages]]
name = "coarse"
size = 32

[[stages]]
name = "fine"
size = 64
"""


FROM_PYTHON = """
import sys
import numpy as np
from board.cascade_overlay import CascadeOverlay
from board.nifti import read_scan
from board.slices import Slices

scan, out = sys.argv[1:]
cascade = CascadeOverlay("..")
codes = cascade.spec.volume.codes(read_scan(scan))
image = cascade.segment(Slices(codes, 64, 64, 3).frame(2))
np.savez(out, volume=cascade.segment_volume(codes).mask, image=image.mask)
"""


def write_data(folder):
    """Two scans of 40 x 50 x 5 voxels: smooth noise and a bright box."""
    rng = np.random.default_rng(SEED)
    affine = np.diag([1.0, 1.0, 2.5, 1.0])
    for name in ("a", "b"):
        labels = np.zeros((40, 50, 5), np.uint8)
        labels[8:20, 25:40, 1:4] = 1
        voxels = (200 * labels + rng.integers(0, 60, labels.shape)).astype(np.int16)
        for kind, array in (("images", voxels), ("masks", labels)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            nibabel.Nifti1Image(array, affine).to_filename(folder / kind / f"{name}.nii.gz")
    (folder / "train.txt").write_text("a")
    (folder / "val.txt").write_text("b")
    return folder


def quant(*arguments):
    assert main([str(argument) for argument in arguments]) == 0


def probability(twin, frame):
    """Of one frame (3, H, W) uint8."""
    with torch.no_grad():
        return special.expit(twin(frame[None] / 256)[0, 0].double().numpy())


def expected_mask(scan, checkpoints_of):
    """The cascade by its definition: torch's floats, scipy's sigmoid; and where it is far from a tie."""
    first, second = (from_checkpoint(checkpoints.load(path)) for path in checkpoints_of)
    codes = Window().codes(np.asarray(scan.dataobj))
    padded = np.zeros((64, 64, 5), np.uint8)
    padded[12:52, 7:57] = codes
    frames = slabs(torch.from_numpy(padded)[None], 3)
    small = (torch.nn.functional.avg_pool2d(frames.double(), 2) + 0.5).floor().float()
    stage1 = np.stack([probability(first, frame) for frame in small]).repeat(2, 1).repeat(2, 2)
    places = np.argwhere(stage1 > 0.5)
    assert len(places), "the seed of the first network must find something"
    centre = np.floor(places.mean(0) + 0.5).astype(int)
    top, left = (min(max(at - 16, 0), 32) for at in centre[1:])
    crop = (slice(None), slice(top, top + 32), slice(left, left + 32))
    stage2 = np.stack([probability(second, frame[crop]) for frame in frames])
    fused = np.zeros_like(stage1)
    fused[crop] = 0.5 * stage1[crop] + 0.5 * stage2
    place = (slice(None), slice(7, 57), slice(12, 52))
    return (fused[place] >= 0.5).transpose(2, 1, 0), (np.abs(fused[place] - 0.5) > 1e-6).transpose(2, 1, 0)


def succeeded(ran):
    """What a command printed."""
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def assert_the_joint_zip_guides(folder):
    """The commands of the README in the zip, and its notebook from top to bottom."""
    user = folder / "user"
    user.mkdir()
    shutil.copyfile(folder / "sim" / "joint.zip", user / "edgeseg-deploy.zip")
    shutil.copyfile(folder / "cascade" / "cascade.json", user / "cascade.json")
    selftests = succeeded(follow_readme((folder / "sim" / "cascade" / "README.md").read_text(), user))
    assert selftests.count("\nexact ") == 4
    ran = succeeded(on_board(["-c", RUN_NOTEBOOK], user / "cascade"))
    assert "first True\n" in ran and "second True\n" in ran and "Outcome" in ran, ran


def assert_python_gives_the_same(folder, scan):
    """``CascadeOverlay`` beside the integer reference, on a volume and on a lone image."""
    out = folder / "python.npz"
    succeeded(on_board(["-c", FROM_PYTHON, str(scan), str(out)], folder / "sim" / "cascade" / "first"))
    cascade = reference(folder / "cascade")
    codes = cascade.spec.volume.codes(read_scan(scan))
    with np.load(out) as found:
        np.testing.assert_array_equal(found["volume"], cascade.segment_volume(codes).mask)
        np.testing.assert_array_equal(found["image"], cascade.segment(Slices(codes, 64, 64, 3).frame(2)).mask)


def test_a_scan_becomes_its_mask_on_the_simulated_board(tmp_path):
    data, recipe = write_data(tmp_path / "data"), tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    quant("slabs", "--data", data, "--out", tmp_path / "slabs", "--size", 64, 64)
    kept = []
    for stage, seed in (("first", 3), ("second", 4)):  # seeds whose networks find something
        kept.append(tmp_path / f"{stage}.pt")
        network = ["--model", "cmunext-tiny-hw", "--quant", "w4a4", "--size", 32]
        quant("untrained", *network, "--seed", seed, "--out", kept[-1])
        quant("export", "--checkpoint", kept[-1], "--out", tmp_path / stage)
    exports = ["--first", tmp_path / "first", "--second", tmp_path / "second"]
    quant("cascade", "--recipe", recipe, *exports, "--slabs", tmp_path / "slabs", "--out", tmp_path / "cascade")
    scan = data / "images" / "b.nii.gz"
    settings = {"CASCADE": tmp_path / "cascade", "SCAN": scan, "SIM_BOARD": tmp_path / "sim", "PYTHON": sys.executable}
    for joint in (False, True):
        ran = subprocess.run(
            ["make", "-o", "setup", "sim-board", *(f"{name}={value}" for name, value in settings.items())]
            + ["JOINT=1"] * joint,
            cwd=ROOT, env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
            capture_output=True, text=True, timeout=1800,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert f"exact    mask of {scan}: as the integer reference" in ran.stdout
        assert "stage 1  5 frames in" in ran.stdout and "stage 2  5 frames in" in ran.stdout, ran.stdout
        assert (tmp_path / "sim" / "cascade" / "edgeseg.bit").is_file() == joint
        assert (tmp_path / "sim" / "cascade" / "first" / "edgeseg.bit").is_file() != joint
        assert_python_gives_the_same(tmp_path, scan)
    assert_the_joint_zip_guides(tmp_path)
    mask, image = nibabel.load(tmp_path / "sim" / "mask.nii.gz"), nibabel.load(scan)
    expected, clear = expected_mask(image, kept)
    assert 0 < expected.sum() < expected.size and clear.mean() > 0.99
    np.testing.assert_array_equal(np.asarray(mask.dataobj)[clear], expected[clear])
    np.testing.assert_array_equal(mask.affine, image.affine)
