"""The open flow with its real tools, where they are: a small device to a bitstream that is read back and simulated."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import exports
import synthetic

from hw_build.cli import main as cli
from hw_build.implement.bitstream import openxc7, readback
from hw_build.report.data import read_report

NEEDED = ("nextpnr-xilinx", *openxc7.XRAY_TOOLS, *readback.TOOLS)
LACKING = [name for name in NEEDED if not shutil.which(name)]
LACKING += [name for name in (openxc7.CHIPDB, openxc7.XRAY) if not os.environ.get(name)]


@pytest.mark.slow
@pytest.mark.skipif(bool(LACKING), reason=f"needs {', '.join(LACKING)}")
def test_bitstream_holds_what_was_asked_for_and_computes_the_golden_data(tmp_path):
    export = exports.write_export(tmp_path / "export", synthetic.unet(16, 32, levels=0, dims=(2,)))
    common = ["--export", str(export), "--out", str(tmp_path / "build")]
    assert cli.main(["build", *common, "--board", "pynq-z2", "--netlist"]) == 0
    assert cli.main(["bitstream", *common, "--toolchain", "openxc7"]) == 0
    implementation = read_report(tmp_path / "build" / "report.json").implementation
    assert re.fullmatch(r"exact, [\d,]{6,} features, [\d,]{6,} bits", implementation["read_back"])
    assert re.fullmatch(r"exact, .* bytes; [\d,]{4,} tables of LUTs as in FASM", implementation["routed_netlist"])
