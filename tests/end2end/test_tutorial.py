"""The commands of docs/tutorial.md, in their order, on a folder of images.

The sixteen calibration images stand for the reader's own; the smallest network and one epoch for what the reader
chooses. Everything else is run as it stands on the page, without the tools that place and route.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

import calib_data
from tests.documents import ROOT

CHOICES = {"DATA": "photos", "MODEL": "cmunext-tiny-hw", "SIZE": "32", "EPOCHS": "1", "BOARD": "pynq-z2", "FPS": "60"}
NO_TOOL = 3
TOOLS = ("vivado", "nextpnr-xilinx", "nextpnr-himbaechel")

pytestmark = pytest.mark.slow


def commands():
    """The blocks of the page that are run, after the one in which the reader chooses."""
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    choices, *blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert re.findall(r"^([A-Z]+)=\S", choices, re.MULTILINE) == list(CHOICES)
    return blocks


def path_without_tools():
    folders = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(name for name in folders if not any(shutil.which(tool, path=name) for tool in TOOLS))


@pytest.fixture(scope="module")
def statuses(tmp_path_factory):
    """The folder in which every block was run, and the status of each."""
    folder = tmp_path_factory.mktemp("tutorial")
    for kind in ("images", "masks"):
        shutil.copytree(calib_data.FOLDER / kind, folder / "photos" / kind)
    environment = {**os.environ, **CHOICES, "PATH": path_without_tools(), "PYTHONPATH": str(ROOT)}
    ended = {}
    for block in commands():
        script = block.replace(".venv/bin/python", sys.executable)
        run = subprocess.run(["bash", "-ec", script], cwd=folder, env=environment, capture_output=True, text=True)
        ended[block] = run.returncode
        assert run.returncode in (0, NO_TOOL), f"{block}\n{run.stdout}\n{run.stderr}"
    return folder, ended


def test_every_block_ends_as_the_page_says(statuses):
    _, ended = statuses
    assert len(ended) == 9
    assert [block for block, status in ended.items() if status] == [
        block for block in ended if "hw_build bitstream" in block
    ]


def test_the_accelerator_is_exact_down_to_its_netlist(statuses):
    folder, _ = statuses
    report = json.loads((folder / "build/mine/fpga/report.json").read_text())
    assert all(line["exact"] for line in report["verification"])
    assert {"simulate", "netlist"} <= {line["step"] for line in report["verification"]}
    assert report["totals"]["fps_at_100mhz"] >= float(CHOICES["FPS"])
    assert report["totals"]["luts"] <= report["budget"]["luts"]


def test_what_the_page_names_is_there(statuses):
    folder, _ = statuses
    for name in ("runs/pictures/cases.png", "runs/pictures/curves.png", "build/mine/fpga/report.html"):
        assert (folder / name).stat().st_size > 1000
    (packed,) = (folder / "build/mine/fpga").glob("*.zip")
    assert {"io_spec.json", "golden.npz", "edgeseg.ipynb", "board/driver.py"} <= set(zipfile.ZipFile(packed).namelist())
