"""The main job at its real size: the shipped 4-bit network, a 256x256 image, the whole accelerator."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_make_demo_is_exact_within_the_cycles_of_the_default_folding():
    subprocess.run(["make", "demo"], cwd=ROOT, check=True)
    report = json.loads((ROOT / "build/demo/report.json").read_text())
    assert all(line["exact"] for line in report["verification"])
    assert report["image"]["logits"] == 65_536 and report["image"]["differing_logits"] == 0
    assert report["totals"]["cycles_per_frame"] <= 3_000_000
    assert report["model"]["parameters"] == 42_373
    assert (ROOT / "build/demo/report.html").stat().st_size > 50_000
