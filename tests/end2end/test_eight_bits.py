"""The shipped 8-bit network at 64x64 through every step to the simulated accelerator: lines in place of thresholds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT = ROOT / "models/weights/cmunext-xxs-hw_w8a8_busi.pt"


@pytest.mark.slow
def test_two_images_are_exact_at_every_step(tmp_path):
    for command in (
        ("quant", "export", "--checkpoint", CHECKPOINT, "--size", 64, "--out", tmp_path / "export"),
        ("hw_build", "build", "--export", tmp_path / "export", "--board", "zcu104", "--out", tmp_path / "build"),
    ):
        subprocess.run([sys.executable, "-m", *map(str, command)], cwd=ROOT, check=True)
    report = json.loads((tmp_path / "build" / "report.json").read_text())
    assert report["verification"][-1]["step"] == "simulate"
    assert all(line["exact"] for line in report["verification"])
    sources = (tmp_path / "build" / "rtl" / "top.sv").read_text()
    assert sources.count(".SCALED(") > 60, "outputs must be scaled, not looked up among 255 thresholds a channel"
