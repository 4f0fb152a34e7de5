"""The .hwh that pynq reads, and the zip for a board; pynq itself reads both in tests/hw_build/pynq_sim."""

import ast
import dataclasses
import json
import re
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import exports

from board import registers
from board.bitfile import read_header
from board.intensity import Window
from board.io_spec import read_io_spec
from board.volume_spec import VolumeSpec
from hw_build.base.errors import ConfigError
from hw_build.cli import main as cli
from hw_build.implement.deploy.archive import FILES, driver_files
from hw_build.implement.deploy.hwh import clock_divisors, hwh_text
from hw_build.implement.deploy.simulated import bit_container, simulated_bitstream
from hw_build.implement.shell.generate import Shell

ROOT = Path(__file__).resolve().parents[2]
DRIVER = {"README.md", "edgeseg.hwh", "edgeseg.ipynb", "golden.npz", "io_spec.json", "board/driver.py"}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """(export folder, build directory) of a small network, as far as its shell."""
    folder = tmp_path_factory.mktemp("deploy")
    export = exports.write_export(folder / "export")
    options = ["--export", str(export), "--out", str(folder / "build")]
    assert cli.main(["build", *options, "--board", "pynq-z2", "--stop-after", "shell"]) == 0
    return export, folder / "build"


def deploy(build, *arguments, export=None):
    return cli.main(["deploy", "--export", str(export or build[0]), "--out", str(build[1]), *map(str, arguments)])


def names(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return set(archive.namelist())


def test_hwh_places_and_names_every_register(build):
    root = ElementTree.fromstring(hwh_text(Shell.load(build[1])))
    processor = root.find(".//MODULE[@MODTYPE='processing_system7']")
    assert processor.get("IS_PL") == "FALSE"  # pynqmetadata 0.1 (pynq 3) finds no processing system without it
    window = root.find(".//MEMRANGE")
    assert (window.get("BASEVALUE"), window.get("HIGHVALUE")) == ("0x43C00000", "0x43C00FFF")
    found = {
        register.get("NAME"): int(register.find("PROPERTY[@NAME='ADDRESS_OFFSET']").get("VALUE"), 16)
        for register in root.iter("REGISTER")
    }
    assert found == {name: entry[0] for name, entry in registers.REGISTERS.items()}
    status = root.find(".//REGISTER[@NAME='STATUS']")
    bits = {
        field.get("NAME"): int(field.find("PROPERTY[@NAME='BIT_OFFSET']").get("VALUE"))
        for field in status.iter("FIELD")
    }
    assert bits == {name: bit for name, bit, _, _ in registers.REGISTERS["STATUS"][3]}


def test_hwh_gives_the_clock_that_the_design_is_made_for(build):
    shell = dataclasses.replace(Shell.load(build[1]), fabric_mhz=120.0)
    root = ElementTree.fromstring(hwh_text(shell))
    values = {parameter.get("NAME"): parameter.get("VALUE") for parameter in root.iter("PARAMETER")}
    divisors = [int(values[f"PCW_FCLK0_PERIPHERAL_DIVISOR{index}"]) for index in (0, 1)]
    assert 1000.0 / np.prod(divisors) <= 120.0
    assert float(values["PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ"]) == pytest.approx(1000.0 / np.prod(divisors))
    assert [values[f"PCW_FPGA_FCLK{index}_ENABLE"] for index in range(4)] == ["1", "0", "0", "0"]


@pytest.mark.parametrize(("mhz", "product"), [(100.0, 10), (142.857143, 7), (66.0, 16), (1000.0, 1), (0.3, 3339)])
def test_clock_is_never_faster_than_asked(mhz, product):
    first, second = clock_divisors(mhz, 1000.0)
    assert 1000.0 / (first * second) <= mhz
    assert first * second <= product


def test_clock_that_no_divisors_reach():
    with pytest.raises(ConfigError, match="no divisors give a fabric clock of 0.1 MHz"):
        clock_divisors(0.1, 1000.0)


def test_zip_without_a_bitstream_says_so(build, capsys):
    assert deploy(build) == 0
    found = names(build[1] / "edgeseg-deploy-no-bitstream.zip")
    assert found >= DRIVER and "edgeseg.bit" not in found
    assert "it holds no bitstream" in capsys.readouterr().out


def test_zip_is_the_same_again(build, tmp_path):
    for name in ("a.zip", "b.zip"):
        assert deploy(build, "--zip", tmp_path / name) == 0
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_zip_with_a_bitstream_holds_it_unchanged_and_the_wheel_the_driver(build, tmp_path):
    (tmp_path / "top.bit").write_bytes(bit_container("top", "7z020clg400", bytes(range(64))))
    assert deploy(build, "--bitstream", tmp_path / "top.bit", "--zip", tmp_path / "a.zip") == 0
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("edgeseg.bit") == (tmp_path / "top.bit").read_bytes()
        (wheel,) = (name for name in archive.namelist() if name.endswith(".whl"))
        archive.extract(wheel, tmp_path)
    with zipfile.ZipFile(tmp_path / wheel) as archive:
        assert {name for name in archive.namelist() if name.startswith("board/")} == set(driver_files())
        (metadata,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        assert re.search(r"Provides-Extra: pynq", archive.read(metadata).decode())


def test_wheel_has_the_version_of_the_project():
    versions = [
        tomllib.loads(path.read_text())["project"]["version"]
        for path in (ROOT / "pyproject.toml", FILES / "pyproject.toml")
    ]
    assert versions[0] == versions[1]


@pytest.mark.parametrize("folder", [FILES, FILES / "joint"])
def test_notebook_cells_are_python(folder):
    cells = json.loads((folder / "edgeseg.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 3
    for cell in code:
        compile("".join(cell["source"]), "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_simulated_bitstream_says_that_it_is(tmp_path):
    (tmp_path / "a.bit").write_bytes(simulated_bitstream(tmp_path / "libsim.so", [0x43C00000]))
    header = read_header(tmp_path / "a.bit")
    assert header["design"].startswith("SIMULATED") and header["part"] == "none"


def refused(build, capsys, *arguments, **options):
    assert deploy(build, *arguments, **options) == 2
    return capsys.readouterr().err


def test_refused_bitstreams(build, tmp_path, capsys):
    path = tmp_path / "a.bit"
    path.write_bytes(simulated_bitstream(tmp_path / "libsim.so", [0]))
    assert "is the simulated board's bitstream, for no FPGA" in refused(build, capsys, "--bitstream", path)
    path.write_bytes(bit_container("top", "7z010clg400", bytes(8)))
    assert "is for part '7z010clg400', the build is for 'xc7z020" in refused(build, capsys, "--bitstream", path)
    path.write_bytes(path.read_bytes()[:-1])
    assert "is truncated" in refused(build, capsys, "--bitstream", path)
    assert "exclude each other" in refused(build, capsys, "--bitstream", path, "--simulated")


def test_export_of_another_size(build, tmp_path, capsys):
    other = exports.write_export(tmp_path / "other", height=32, width=32)
    assert "golden frames of" in refused(build, capsys, export=other)


def test_what_a_scan_must_be_reaches_the_board(build, tmp_path, capsys):
    export = shutil.copytree(build[0], tmp_path / "export")
    manifest = json.loads((export / "manifest.json").read_text())
    volume = VolumeSpec(Window("fixed", -100.0, 300.0), 3, "LPS", [0.7, 0.7, 2.0]).as_dict()
    (export / "manifest.json").write_text(json.dumps({**manifest, "volume": volume}))
    assert deploy(build, "--zip", tmp_path / "edgeseg.zip", export=export) == 0
    with zipfile.ZipFile(tmp_path / "edgeseg.zip") as archive:
        archive.extract("io_spec.json", tmp_path)
    found, plain = read_io_spec(tmp_path / "io_spec.json"), read_io_spec(build[1] / "io_spec.json")
    assert found.volume.as_dict() == volume and plain.volume is None
    assert {**vars(found), "volume": None} == vars(plain)
    (export / "manifest.json").write_text(json.dumps({**manifest, "volume": {**volume, "slices": 5}}))
    assert "says 5 slices, the export has 3 channels; export again" in refused(build, capsys, export=export)


def test_build_without_a_shell(build, tmp_path, capsys):
    (tmp_path / "steps").mkdir()
    assert "run the stitch step first" in refused((build[0], tmp_path), capsys)
    copied = shutil.copytree(build[1], tmp_path / "build", ignore=shutil.ignore_patterns("shell", "*.zip"))
    assert "run the shell step first" in refused((build[0], copied), capsys)


def test_ultrascale_sets_port_widths_and_clock(build):
    shell = dataclasses.replace(Shell.load(build[1]), family="zynq-ultrascale")
    root = ElementTree.fromstring(hwh_text(shell))
    values = {parameter.get("NAME"): parameter.get("VALUE") for parameter in root.iter("PARAMETER")}
    assert (values["C_MAXIGP0_DATA_WIDTH"], values["C_SAXIGP2_DATA_WIDTH"]) == ("32", "64")
    divisors = [int(values[f"PSU__CRL_APB__PL0_REF_CTRL__DIVISOR{index}"]) for index in (0, 1)]
    assert 1500.0 / np.prod(divisors) == float(values["PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ"]) == 100.0
    assert root.find(".//MODULE[@MODTYPE='zynq_ultra_ps_e']//BUSINTERFACE").get("NAME") == "M_AXI_HPM0_FPD"
