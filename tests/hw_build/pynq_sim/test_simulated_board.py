"""The unchanged driver under pynq 4 on the simulated board: faults, and a whole accelerator from its deploy zip.

Slow only because pynq's environment, .venv-board, is made by pip.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "rtl" / "shell"))
import exports
import shell_bench

from board import registers as reg
from board.io_spec import IoSpec
from hw_build.base.export import read_export
from hw_build.cli import main as cli
from hw_build.implement.board_sim.build import build_system
from hw_build.implement.deploy.hwh import hwh_text
from hw_build.implement.deploy.simulated import simulated_bitstream
from hw_build.implement.pynq_sim.compare import compare
from hw_build.implement.shell.generate import Shell
from tests.hw_build import synthetic
from tests.hw_build.pynq_sim.on_board import PYTHON, RUN_NOTEBOOK, follow_readme, on_board

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def environment():
    subprocess.run([ROOT / ".ci" / "setup-board.sh"], env={**os.environ, "PYTHON": sys.executable}, check=True)


@pytest.fixture(scope="module")
def standin(tmp_path_factory):
    """A deploy folder of the stand-in accelerator."""
    folder, made = tmp_path_factory.mktemp("standin"), shell_bench.system()
    library = build_system(made, shell_bench.CORE, shell_bench.BUILD_DIR, fast=False)
    shell = Shell(
        top="", family="zynq-7000", part="xc7z020clg400-1", fabric_mhz=100.0, window_bytes=4096, system=made, sources={}
    )
    codes = np.random.default_rng(0).integers(0, 0xF0, (1, 16, 16, 3), dtype=np.uint8)
    wide = codes.astype(np.int32)
    logits = (wide[..., 0] + 2 * wide[..., 1] - 2 * wide[..., 2])[..., None]
    (folder / "edgeseg.bit").write_bytes(simulated_bitstream(library, [made.control_base]))
    (folder / "edgeseg.hwh").write_text(hwh_text(shell))
    (folder / "io_spec.json").write_text(IoSpec("stand-in", made.network_hash, 16, 16, 3).text())
    np.savez(folder / "golden.npz", codes=codes, logits=logits)
    made = shell_bench.ULTRASCALE
    (folder / "ultrascale.hwh").write_text(
        hwh_text(replace(shell, family="zynq-ultrascale", part="xck26-sfvc784-2LV-c", system=made))
    )
    return folder


def printed(script, folder):
    """The JSON that a script beside this file prints."""
    ran = on_board([Path(__file__).with_name(script), folder], folder, PYTHONPATH=str(ROOT))
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def found(standin):
    """What faults.py found: fault -> error, sentence, next_frame_exact."""
    return printed("faults.py", standin)


@pytest.fixture(scope="module")
def used(standin):
    """What usage.py found, by the names of its functions."""
    return printed("usage.py", standin)


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
    "Ctrl-C while a job runs": ("BoardError", "interrupted, busy afterwards: False"),
    "asynchronous frame cancelled": ("BoardError", "cancelled True, busy before: True, afterwards: False"),
    "memory never answers": ("AcceleratorTimeout", "READING .* the soft reset does not end"),
    "image of another size": ("InputError", r"the image is uint8 \(8, 16, 3\), the network takes uint8 \(16, 16, 3\)"),
    "truncated bitstream": ("BitstreamError", "is truncated or not a bitstream .* copy it again"),
    "truncated .hwh": ("BitstreamError", "edgeseg.hwh' is truncated or not a .hwh file .* copy it again"),
    ".hwh of another design": ("BitstreamError", "the .hwh describes no edgeseg accelerator"),
    "bitstream of another network": ("BitstreamError", "holds network 0x0123456789abcdef, io_spec.json describes"),
    "real bitstream on the simulated board": ("BitstreamError", "simulated board cannot load a real bitstream"),
    "no memory": ("DeviceError", "contiguous memory for 100000 frames cannot be allocated"),
    "memory port of 32 bits, read": ("DeviceError", r"HP0 is set to 32 bits \(0xF8008000 reads 0x00000001\)"),
    "memory port of 32 bits, write": ("DeviceError", r"HP0 is set to 32 bits \(0xF8008014 reads 0x00000001\)"),
    "two processes at once": ("status 2", r"error: the accelerator is in use by process \d+"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_told_and_the_next_frame_is_exact(found, name):
    error, sentence = FAULTS[name]
    assert found[name]["error"] == error, found[name]
    assert re.search(sentence, found[name]["sentence"], re.DOTALL), found[name]
    assert found[name]["next_frame_exact"]


def test_every_fault_is_expected(found):
    assert set(found) == set(FAULTS)


def test_the_simulated_memory_shows_a_missing_flush_or_invalidate(used):
    assert used["missing_calls"] == {"flush": False, "invalidate": False, "none": True}


def test_asynchronous_frame_ends_by_the_interrupt_line(used):
    assert used["asynchronous"] == {"told by interrupt": True, "exact": True, "line": False}


def test_the_fabric_clock_is_set_before_the_bitstream_is_loaded(used):
    assert used["clocks"] == {"divisors": [20, 10], "fclk0_mhz": 100.0}  # 50 MHz after boot, 100 as the .hwh says


def test_pynq_shows_the_registers_by_name(used):
    shown = used["through_pynq"]
    assert (shown["address"], shown["identity"]) == (0x43C0_0000, reg.IDENTITY_VALUE)
    assert shown["hash"] == shell_bench.ZYNQ_7000.network_hash


def test_pynq_reads_port_widths_and_clock_of_an_ultrascale(used):
    shown = used["ultrascale_handoff"]
    assert (shown["family"], shown["address"]) == ("zynq_ultra_ps_e", 0xA000_0000)
    assert (shown["mhz"], shown["widths"]) == (100.0, ["32", "64"])


def test_a_notebook_cell_can_be_run_again(used):
    shown = used["a_cell_run_again"]
    assert shown["exact"] and "the accelerator is closed" in shown["first"]


def test_memory_is_uncached_unless_asked_for(used):
    assert used["cacheable"] == {"asked": [{}, {}, {"cacheable": 1}, {"cacheable": 1}], "exact": [True, True]}


def test_a_stream_hides_the_copies_of_all_jobs_but_the_first_and_the_last(used):
    # four jobs, two copies of 1000 cycles each: three times two of them run beside another job
    cycles = used["overlap"]
    assert cycles["equal"]
    assert 5700 < cycles["apart"] - cycles["stream"] < 6300


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The deploy zip of a small accelerator, unpacked, with its simulated bitstream."""
    folder = tmp_path_factory.mktemp("zip")
    export, out = exports.write_export(folder / "export", frames=3), folder / "build"
    options = ["--export", str(export), "--out", str(out)]
    assert cli.main(["build", *options, "--board", "pynq-z2", "--stop-after", "shell"]) == 0
    assert cli.main(["deploy", *options, "--simulated"]) == 0
    with zipfile.ZipFile(out / "edgeseg-deploy-SIMULATED.zip") as archive:
        archive.extractall(folder / "deploy")
    return folder / "deploy"


def test_an_accelerator_from_its_deploy_zip(unpacked):
    ran = on_board(["-m", "board", "selftest"], unpacked)
    assert ran.returncode == 0, ran.stderr
    assert "design   SIMULATED" in ran.stdout and ran.stdout.count("exact") == 4
    without = on_board(["-m", "board", "selftest"], unpacked, EDGESEG_SIM="0")
    assert without.returncode == 2 and "pynq finds no device" in without.stderr


def test_four_classes_of_odd_size_from_their_deploy_zip(tmp_path):
    """Indices and logits through the driver, palette pictures of golden images, compared with the golden logits."""
    export = exports.write_export(tmp_path / "export", synthetic.classes(33, 47), height=33, width=47, frames=3)
    options = ["--export", str(export), "--out", str(tmp_path / "build")]
    assert cli.main(["build", *options, "--board", "pynq-z2", "--stop-after", "shell"]) == 0
    assert cli.main(["deploy", *options, "--simulated"]) == 0
    with zipfile.ZipFile(tmp_path / "build" / "edgeseg-deploy-SIMULATED.zip") as archive:
        archive.extractall(tmp_path / "deploy")
    ran = on_board(["-m", "board", "selftest"], tmp_path / "deploy")
    assert ran.returncode == 0, ran.stderr
    assert "class indices of 3 frames in one batch: exact" in ran.stdout and "logits of one frame: exact" in ran.stdout
    golden = read_export(export)
    assert set(np.unique(golden.masks)) == {0, 1, 2, 3}
    named = zip(golden.names, golden.codes, strict=True)
    paths = [exports.save_image(tmp_path / f"{name}.png", codes) for name, codes in named]
    ran = on_board(["-m", "board", "infer", *paths, "--out", tmp_path / "masks"], tmp_path / "deploy")
    assert ran.returncode == 0, ran.stderr
    assert len(compare(export / "golden.npz", tmp_path / "masks")) == 3


def test_the_commands_of_its_own_readme(unpacked, tmp_path):
    shutil.copyfile(unpacked.parent / "build" / "edgeseg-deploy-SIMULATED.zip", tmp_path / "edgeseg-deploy.zip")
    ran = follow_readme((unpacked / "README.md").read_text(), tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("exact") == 4


def test_the_wheel_installs_offline_and_serves_alone(unpacked, tmp_path):
    (wheel,) = unpacked.glob("*.whl")
    installed = tmp_path / "installed"
    install = ["-m", "pip", "install", "--no-index", "--no-deps", "--target", installed, wheel]
    assert on_board(install, tmp_path).returncode == 0
    ran = on_board(["-m", "board", "selftest", "--deploy", unpacked], tmp_path, PYTHONPATH=str(installed))
    assert ran.returncode == 0, ran.stderr
    where = on_board(["-c", "import board; print(board.__file__)"], tmp_path, PYTHONPATH=str(installed))
    assert where.stdout.startswith(str(installed))


def test_the_notebook_runs_from_top_to_bottom(unpacked):
    ran = on_board(["-c", RUN_NOTEBOOK], unpacked)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count(": True\n") == 2 and ran.stdout.count("% foreground") == 3, ran.stdout


def test_ctrl_c_ends_the_page_and_the_next_program_has_the_device(unpacked):
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    serving = subprocess.Popen(
        [PYTHON, "-m", "board", "serve", "--port", "0"], cwd=unpacked, text=True,
        env={**clean, "EDGESEG_SIM": "1", "EDGESEG_LOCK": str(unpacked / "lock")},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    address = serving.stdout.readline()
    assert address.startswith("http://127.0.0.1:")
    refused = on_board(["-m", "board", "selftest"], unpacked)
    assert f"in use by process {serving.pid}" in refused.stderr
    serving.send_signal(signal.SIGINT)
    _, said = serving.communicate(timeout=60)
    assert (serving.returncode, said) == (130, "interrupted\n")
    assert on_board(["-m", "board", "selftest", "--frames", "1"], unpacked).returncode == 0
