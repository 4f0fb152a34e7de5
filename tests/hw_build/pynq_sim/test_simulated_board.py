"""The unchanged driver under pynq 4 on the simulated board: faults, and a whole accelerator from its deploy zip.

Slow only because pynq's environment, .venv-board, is made by pip.
"""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "rtl" / "shell"))
import exports
import shell_bench

from board.io_spec import IoSpec
from hw_build import cli
from hw_build.board_sim.build import build_system
from hw_build.deploy.hwh import hwh_text
from hw_build.deploy.simulated import simulated_bitstream
from hw_build.shell.generate import Shell

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.slow
PYTHON = ROOT / ".venv-board" / "bin" / "python"


@pytest.fixture(scope="module", autouse=True)
def environment():
    subprocess.run([ROOT / ".ci" / "setup-board.sh"], env={**os.environ, "PYTHON": sys.executable}, check=True)


def on_board(arguments, folder, **options):
    """Runs Python in pynq's environment, in ``folder``, on the simulated board."""
    variables = {"EDGESEG_SIM": "1", "EDGESEG_LOCK": str(folder / "lock"), **options}
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "EDGESEG_SIM")}
    return subprocess.run(
        [PYTHON, *arguments], cwd=folder, env={**clean, **variables}, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What faults.py printed: fault -> error, sentence, next_frame_exact."""
    folder, made = tmp_path_factory.mktemp("standin"), shell_bench.system()
    library = build_system(made, shell_bench.CORE, shell_bench.BUILD_DIR, fast=False)
    shell = Shell(
        top="", family="zynq-7000", part="xc7z020clg400-1", fabric_mhz=100.0, window_bytes=4096, system=made, sources=()
    )
    codes = np.random.default_rng(0).integers(0, 0xF0, (1, 16, 16, 3), dtype=np.uint8)
    wide = codes.astype(np.int32)
    logits = (wide[..., 0] + 2 * wide[..., 1] - 2 * wide[..., 2])[..., None]
    (folder / "edgeseg.bit").write_bytes(simulated_bitstream(library, made.control_base))
    (folder / "edgeseg.hwh").write_text(hwh_text(shell))
    (folder / "io_spec.json").write_text(IoSpec("stand-in", made.network_hash, 16, 16, 3).text())
    np.savez(folder / "golden.npz", codes=codes, logits=logits)
    ran = on_board([Path(__file__).with_name("faults.py"), folder], folder, PYTHONPATH=str(ROOT))
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


FAULTS = {
    "bus answers READ_SLVERR": ("TransferError", r"READ_SLVERR \(the memory refused a read\).* used again"),
    "bus answers READ_DECERR": ("TransferError", r"READ_DECERR \(no memory at an address that was read\)"),
    "bus answers WRITE_SLVERR": ("TransferError", r"WRITE_SLVERR \(the memory refused a write\)"),
    "bus answers WRITE_DECERR": ("TransferError", r"WRITE_DECERR \(no memory at an address that was written\)"),
    "TLAST too early": ("TransferError", "TLAST_EARLY"),
    "TLAST too late": ("TransferError", "TLAST_LATE"),
    "accelerator gives no words": ("AcceleratorTimeout", r"not ended after .* OUTPUT_WAITS .* used again"),
    "accelerator takes no pixels": ("AcceleratorTimeout", r"not ended after .* INPUT_WAITS .* used again"),
    "reset in mid-frame": ("AcceleratorTimeout", "has been reset and can be used again"),
    "stream left while a job runs": ("BoardError", "left"),
    "memory never answers": ("AcceleratorTimeout", "READING .* the soft reset does not end"),
    "image of another size": ("InputError", r"the image is uint8 \(8, 16, 3\), the network takes uint8 \(16, 16, 3\)"),
    "truncated bitstream": ("BitstreamError", "is truncated or no bitstream .* copy it again"),
    "bitstream of another network": ("BitstreamError", "holds network 0x0123456789abcdef, io_spec.json describes"),
    "real bitstream on the simulated board": ("BitstreamError", "simulated board cannot load a real bitstream"),
    "no memory": ("DeviceError", "contiguous memory for 100000 frames cannot be allocated"),
    "memory port of 32 bits": ("DeviceError", "HP0 is set to 32 bits"),
    "two processes at once": ("status 2", r"error: the accelerator is in use by process \d+"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_told_and_the_next_frame_is_exact(found, name):
    error, sentence = FAULTS[name]
    assert found[name]["error"] == error, found[name]
    assert re.search(sentence, found[name]["sentence"], re.DOTALL), found[name]
    assert found[name]["next_frame_exact"]


def test_every_fault_is_expected(found):
    assert set(found) == {*FAULTS, "flush left out", "invalidate left out", "asynchronous"}


@pytest.mark.parametrize("name", ["flush", "invalidate"])
def test_the_simulated_memory_shows_a_missing_call(found, name):
    assert found[f"{name} left out"]["sentence"] == "right mask: False"


def test_asynchronous_frame_ends_by_the_interrupt_line(found):
    assert found["asynchronous"]["next_frame_exact"]
    assert found["asynchronous"]["sentence"] == "interrupts: 1"


def test_an_accelerator_from_its_deploy_zip(tmp_path, capsys):
    export, out = exports.write_export(tmp_path / "export", frames=3), tmp_path / "build"
    options = ["--export", str(export), "--out", str(out)]
    assert cli.main(["build", *options, "--board", "pynq-z2", "--stop-after", "shell"]) == 0
    assert cli.main(["deploy", *options, "--simulated"]) == 0
    folder = tmp_path / "deploy"
    with zipfile.ZipFile(out / "edgeseg-deploy-SIMULATED.zip") as archive:
        archive.extractall(folder)
    ran = on_board(["-m", "board", "selftest"], folder)
    assert ran.returncode == 0, ran.stderr
    assert "design   SIMULATED" in ran.stdout and ran.stdout.count("exact") == 4
    without = on_board(["-m", "board", "selftest"], folder, EDGESEG_SIM="0")
    assert without.returncode == 2 and "pynq finds no device" in without.stderr
