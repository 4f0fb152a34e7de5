"""The README's worked example: a plain U-Net from training to the simulated accelerator, by its commands.

One epoch on four calibration images at 32x32, built at 32x48: what counts is that every step is exact, not the mask.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import calib_data

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow

IMAGES = ("benign_184", "benign_273", "malignant_085", "malignant_159")


def python_m(*arguments, status=0):
    """Runs one command line in a process of its own."""
    command = [sys.executable, "-m", *map(str, arguments)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == status, f"{' '.join(command)}\n{run.stdout}\n{run.stderr}"
    return run


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """Folder with the data set, the trained checkpoint, its export and the build."""
    folder = tmp_path_factory.mktemp("unet3")
    for kind in ("images", "masks"):
        (folder / "data" / kind).mkdir(parents=True)
        for name in IMAGES:
            shutil.copy(calib_data.FOLDER / kind / f"{name}.png", folder / "data" / kind)
    for split in ("train", "val"):
        (folder / "data" / f"{split}.txt").write_text("\n".join(IMAGES) + "\n")
    training = ("--model", "unet3", "--quant", "w4a4", "--size", 32, "--epochs", 1, "--batch", 2)
    python_m("quant", "train", *training, "--data", folder / "data", "--out", folder)
    python_m("quant", "export", "--checkpoint", folder / "weights.pt", "--out", folder / "export", "--size", "32x48")
    python_m("hw_build", *build_of("build", folder))
    return folder


def build_of(command, folder):
    return (command, "--export", folder / "export", "--board", "pynq-z2", "--out", folder / "build")


def test_every_step_is_exact(workplace):
    report = json.loads((workplace / "build" / "report.json").read_text())
    steps = [line["step"] for line in report["verification"]]
    assert steps[0] == "export" and steps[-1] == "simulate" and len(steps) >= 9
    assert all(line["exact"] for line in report["verification"])
    assert report["model"]["name"] == "unet3"
    assert report["totals"]["cycles_per_frame"] <= 32 * 32 * 48
    assert {node["origin"] for node in report["nodes"]} == {"edgeseg"}
    assert all(node["measured_cycles"] and node["fifo_high_water"] is not None for node in report["nodes"])
    assert all(node["fifo_high_water"] <= node["fifo_depth"] for node in report["nodes"])


def test_check_finds_a_kernel_for_every_node(workplace):
    verdicts = json.loads(python_m("hw_build", "check", workplace / "export" / "model.qonnx", "--json").stdout)
    assert verdicts and not any(verdict["reason"] for verdict in verdicts)
    assert any("StreamConcat_rtl" in verdict["kernel"] for verdict in verdicts)


def test_second_build_redoes_nothing(workplace):
    lines = python_m("hw_build", *build_of("build", workplace)).stderr.splitlines()
    assert lines and all("unchanged" in line for line in lines)


def test_stalled_on_both_sides_gives_the_same_logits(workplace):
    folders = ("--export", workplace / "export", "--out", workplace / "build")
    run = python_m("hw_build", "simulate", *folders, "--frames", 3, "--idle", 0.4, "--stall", 0.4, "--seed", 7)
    assert "exact, against golden logits of 3 images" in run.stdout


def test_demo_on_an_image_without_golden_logits(workplace, tmp_path):
    sample = calib_data.load("benign_273", (32, 48))
    Image.fromarray(sample.codes).save(tmp_path / "image.png")
    Image.fromarray(sample.mask).save(tmp_path / "mask.png")
    images = ("--image", tmp_path / "image.png", "--mask", tmp_path / "mask.png")
    run = python_m("hw_build", *build_of("demo", workplace), *images)
    assert "IoU of the image" in run.stdout and "simulate" in run.stdout
    report = json.loads((workplace / "build" / "report.json").read_text())
    assert report["image"]["logits"] == 32 * 48 and report["image"]["differing_logits"] == 0
    assert 0 <= report["image"]["iou"] <= 1
    assert "QONNX execution" in report["verification"][-1]["against"]
    before = (workplace / "build" / "report.html").read_bytes()
    assert before.count(b"data:image/png;base64,") == 4
    python_m("hw_build", "report", "--out", workplace / "build")
    assert (workplace / "build" / "report.html").read_bytes() == before


def test_image_of_another_size_is_refused(workplace):
    image = calib_data.FOLDER / "images" / "benign_273.png"
    run = python_m("hw_build", *build_of("demo", workplace), "--image", image, status=2)
    assert run.stderr.splitlines() == [
        f"error: image '{image}' is 256x256 (height x width), the network takes 32x48; resize it"
    ]
