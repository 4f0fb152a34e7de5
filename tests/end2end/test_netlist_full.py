"""The device netlist of the shipped network: at 64x64 by all kinds of jobs, and a frame of each shipped folding."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT = ROOT / "models/weights/cmunext-xxs-hw_w4a4_busi.pt"

pytestmark = pytest.mark.slow


def python_m(*arguments):
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def checked_netlist(folder, size, *options):
    """Exports, builds as far as the shell and checks the netlist; the record beside it, and what the command said."""
    export, build = folder / "export", folder / "build"
    python_m("quant", "export", "--checkpoint", CHECKPOINT, "--size", size, "--out", export)
    files = ("--export", export, "--out", build)
    python_m("hw_build", "build", *files, "--board", "pynq-z2", *options, "--stop-after", "shell")
    said = python_m("hw_build", "netlist", *files)
    return json.loads((build / "netlist" / "record.json").read_text()), said


def test_logits_and_masks_at_64x64(tmp_path):
    record, said = checked_netlist(tmp_path, 64, "--folding", "pynq-z2-60fps")
    assert len(record["checked"]) == 4
    assert f"exact, against golden logits of 2 images of 64x64, {2 * 2 * (64 * 64 * 4 + 64 * 64 // 8):,} bytes" in said


@pytest.mark.parametrize("folding", ["pynq-z2-60fps", "pynq-z2-low-latency", "pynq-z2-max"])
def test_one_frame_of_each_shipped_folding(tmp_path, folding):
    """Some 40 minutes each on one core: FIFOs sized, synthesis, a model by Verilator, 9 to 22 minutes of simulation."""
    record, said = checked_netlist(tmp_path, 256, "--folding", folding, "--size-fifos")
    assert record["checked"] == ["logits of 1 frame"]
    assert "exact, against golden logits of 1 image of 256x256, 262,144 bytes in memory" in said
