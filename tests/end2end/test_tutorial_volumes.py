"""The commands of docs/tutorial-volumes.md, in their order, to the labels of a scan by the simulated board.

The three volumes of ``calib_data`` stand for a real data set, and the smallest networks for what the reader chooses.
The labels are compared with those of the trained twin in torch's floats, where no two logits are near a tie.
"""

import json
import os
import re
import subprocess
import sys

import nibabel
import numpy as np
import pytest
import torch

import calib_data
from board.intensity import Window
from quant.base import checkpoint as checkpoints
from quant.twin.networks import from_checkpoint
from quant.volumes.slabs import slabs
from tests.documents import ROOT

pytestmark = pytest.mark.slow
SCAN = calib_data.FOLDER / "hippocampus" / "images" / "hippocampus_148.nii.gz"
CHOICES = {
    "DATA": str(calib_data.FOLDER / "hippocampus"), "CLASSES": "3", "TEACHER": "nnunet-tiny", "PATCH": "32,32,32",
    "EPOCHS": "1", "STEPS": "1", "RECIPE": "recipe.toml", "SCAN": str(SCAN), "OUT": "out",
}  # fmt: skip
RECIPE = """
model = "cmunext-tiny-hw"
classes = 3
size = 64
batch = 4
calibration = "train"
augmentation = "none"
distill = 0.01  # a teacher of one step knows nothing

[[stages]]
name = "slabs-float"
epochs = 40
lr = 2e-2

[[stages]]
name = "slabs-w4a4"
quant = "w4a4"
epochs = 2
lr = 1e-3
"""


def blocks():
    """The blocks of the page that are run, after the one in which the reader chooses."""
    text = (ROOT / "docs" / "tutorial-volumes.md").read_text(encoding="utf-8")
    choices, *commands = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert re.findall(r"^([A-Z]+)=\S", choices, re.MULTILINE) == list(CHOICES)
    return commands


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """(folder of all results, what the last command printed)."""
    folder = tmp_path_factory.mktemp("volumes")
    (folder / "recipe.toml").write_text(RECIPE)
    choices = {**CHOICES, "RECIPE": str(folder / "recipe.toml"), "OUT": str(folder / "out")}
    environment = {key: value for key, value in {**os.environ, **choices}.items() if key != "PYTHONPATH"}
    make = f"make -o setup sim-board DEMO={folder}/demo SIM_BOARD={folder}/sim PYTHON={sys.executable}"
    for block in blocks():
        script = block.replace(".venv/bin/python", sys.executable).replace("make sim-board", make)
        run = subprocess.run(["bash", "-ec", script], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, f"{block}\n{run.stdout}\n{run.stderr}"
    return folder, run.stdout


def test_the_simulated_board_writes_what_the_integer_reference_does(said):
    folder, printed = said
    assert f"exact    labels of {SCAN}: as the integer reference" in printed
    assert (folder / "sim" / "mask.nii.gz").read_bytes() == (folder / "out" / "labels.nii.gz").read_bytes()
    described = json.loads((folder / "sim" / "deploy" / "io_spec.json").read_text())["volume"]
    assert (described["slices"], described["window"]["kind"]) == (3, "percentile")


def test_the_labels_are_those_of_the_trained_twin(said):
    folder, _ = said
    scan, found = nibabel.load(SCAN), nibabel.load(folder / "sim" / "mask.nii.gz")
    np.testing.assert_array_equal(found.affine, scan.affine)
    codes = Window().codes(np.asarray(scan.dataobj))
    across, rows, depth = codes.shape
    left, top = (64 - across) // 2, (64 - rows) // 2
    padded = np.zeros((64, 64, depth), np.uint8)
    padded[left : left + across, top : top + rows] = codes
    twin = from_checkpoint(checkpoints.load(folder / "out" / "student" / "slabs-w4a4" / "weights.pt"))
    with torch.no_grad():
        logits = twin.eval()(slabs(torch.from_numpy(padded)[None], 3) / 256)  # (Z, 3, Y, X)
    best = logits.sort(dim=1).values
    clear = (best[:, -1] - best[:, -2]).permute(2, 1, 0)[left : left + across, top : top + rows].numpy() > 1e-4
    expected = logits.argmax(1).permute(2, 1, 0)[left : left + across, top : top + rows].numpy()
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(np.asarray(found.dataobj)[clear], expected[clear])
    assert len(np.unique(expected)) > 1
