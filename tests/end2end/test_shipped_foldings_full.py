"""The shipped network at its real size in the foldings shipped for PYNQ-Z2, built by the commands of the README.

Everything lands where the README's commands and ``make bench`` look for it, below ``build/``.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT = "models/weights/cmunext-xxs-hw_w4a4_busi.pt"
EXPORT = "build/w4a4"
# name: cycles a frame at most, and frame periods from the first pixel of a frame to its last result
FOLDINGS = {
    "pynq-z2-60fps": (1_666_667, None),
    "pynq-z2-low-latency": (1_666_667, 1.3),
    "pynq-z2-max": (535_000, None),
}

pytestmark = pytest.mark.slow


def python_m(*arguments):
    command = [sys.executable, "-m", *map(str, arguments)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{' '.join(command)}\n{run.stdout}\n{run.stderr}"
    return run.stdout


@pytest.fixture(scope="module")
def export():
    if not (ROOT / EXPORT / "manifest.json").is_file():
        python_m("quant", "export", "--checkpoint", CHECKPOINT, "--out", EXPORT)


@pytest.mark.parametrize("name", FOLDINGS)
def test_sized_design_keeps_its_rate_and_two_real_images_are_exact_under_stalls(export, name):
    most_cycles, most_latency = FOLDINGS[name]
    out = f"build/{name}"
    python_m(
        *("hw_build", "build", "--export", EXPORT, "--board", "pynq-z2"),
        *("--folding", name, "--size-fifos", "--out", out),
    )
    report = json.loads((ROOT / out / "report.json").read_text())
    totals, slowest = report["totals"], max(node["expected_cycles"] for node in report["nodes"])
    assert all(line["exact"] for line in report["verification"])
    assert totals["cycles_per_frame"] <= most_cycles
    assert totals["paced_cycles_per_frame"] == slowest
    if most_latency is not None:
        assert totals["paced_latency_cycles"] <= most_latency * totals["paced_cycles_per_frame"]
    for idle, stall in ((0.5, 0.5), (0.9, 0.2)):
        arguments = ("--frames", 2, "--idle", idle, "--stall", stall, "--seed", 1)
        told = python_m("hw_build", "simulate", "--export", EXPORT, "--out", out, *arguments)
        assert "exact, against golden logits of 2 images" in told
