"""The shipped networks in HLS: every layer's C++, then all of them as one program, on two real images back to back."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYNQ, KV260 = ("--board", "pynq-z2", "--folding", "pynq-z2-60fps"), ("--board", "kv260")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bits", "side", "target"),
    [(4, 64, PYNQ), (8, 64, KV260), (4, 256, PYNQ)],
    ids=["4_bits_64", "8_bits_64", "4_bits_256"],
)
def test_every_layer_and_the_whole_are_exact_within_the_cycles_of_the_build(bits, side, target, tmp_path):
    checkpoint = ROOT / f"models/weights/cmunext-xxs-hw_w{bits}a{bits}_busi.pt"
    export, build = ("--export", tmp_path / "export"), ("--out", tmp_path / "build")
    for command in (
        ("quant", "export", "--checkpoint", checkpoint, "--size", side, "--out", tmp_path / "export"),
        ("hw_build", "build", *export, *build, *target, "--stop-after", "shell"),
        ("hw_build", "hls", *export, *build, "--no-synthesis"),
        ("hw_build", "baseline", *build, "--backend", "hls"),
    ):
        subprocess.run([sys.executable, "-m", *map(str, command)], cwd=ROOT, check=True)
    report = json.loads((tmp_path / "build" / "report.json").read_text())
    (line,) = [line for line in report["verification"] if line["step"] == "hls"]
    assert line["exact"] and line["against"].startswith("golden logits of 2 images, whole; numpy, ")
    assert report["baseline"]["backend"] == "hls" and report["baseline"]["not_in_finn"] == []
    assert report["baseline"]["cycles_per_frame"] <= report["baseline"]["target_cycles"]
    layers = [path.name for path in (tmp_path / "build" / "hls").iterdir() if path.is_dir()]
    padding = sum("ZeroPad_hls_" in layer for layer in layers)  # ours, where FINN has RTL only
    assert padding == 30 and sum("_hls_" in layer for layer in layers) == padding + 166
