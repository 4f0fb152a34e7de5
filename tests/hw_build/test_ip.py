"""The packaged core: its component.xml keeps the standard's rules and says what its Verilog and registers are."""

import dataclasses
import re
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import exports
from ipxact_rules import elements, problems, texts

from board import registers
from hw_build.base.step_engine import hash_file
from hw_build.cli import main as cli
from hw_build.implement.ip.core import core_ports
from hw_build.implement.shell.generate import Shell
from hw_build.stitch.design import Design

COMPONENT = "component.xml"


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Build directory of a small network with its core in ``ip/``."""
    folder = tmp_path_factory.mktemp("ip")
    options = ["--export", str(exports.write_export(folder / "export")), "--out", str(folder / "build")]
    assert cli.main(["build", *options, "--board", "pynq-z2", "--stop-after", "shell"]) == 0
    assert cli.main(["ip", "--out", str(folder / "build")]) == 0
    return folder / "build"


@pytest.fixture(scope="module")
def text(build):
    return (build / "ip" / COMPONENT).read_text()


@pytest.fixture(scope="module")
def root(text):
    return ElementTree.fromstring(text)


def test_component_keeps_the_rules_of_the_standard(build, text):
    assert problems(text, build / "ip") == []


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (r"<spirit:version>1.0</spirit:version>", "", "component lacks version"),
        (r"s_axis_tvalid(?=</spirit:name>\s*</spirit:physicalPort>)", "s_axis_valid", "no port 's_axis_valid'"),
        (r"<spirit:name>TREADY(?=.*?<spirit:name>m_axis_tready)", "<spirit:name>TRAEDY", "has no signal TRAEDY"),
        (r"(?<=m_axis_tlast</spirit:name>\n        <spirit:wire>\n          <spirit:direction>)out", "in", "TLAST has"),
        (r"src/top.sv", "src/tip.sv", "file src/tip.sv does not exist"),
        (r"(?<=<spirit:addressOffset>)0x44", "0x1000", "a register of 4 bytes at 4096"),
        (r"(<spirit:usage>.*?</spirit:usage>)\s*(<spirit:access>.*?</spirit:access>)", r"\2\1", "addressBlock holds"),
        (r"memoryMapRef=\"s_axi\"", 'memoryMapRef="S_AXI"', "no memoryMap 'S_AXI'"),
        (r">xilinx_anylanguagesynthesis_view_fileset</spirit:localName>", ">x</spirit:localName>", "no fileSet 'x'"),
    ],
)
def test_the_rules_find_what_is_wrong(build, text, old, new, sentence):
    changed, count = re.subn(old, new, text, flags=re.DOTALL)
    assert count
    assert any(sentence in problem for problem in problems(changed, build / "ip"))


def test_ports_are_those_of_the_verilog(build, root):
    (module, header) = re.search(
        r"^module (\w+) \((.*?)^\);", (build / "ip/src/edgeseg_stream.v").read_text(), re.DOTALL | re.MULTILINE
    ).groups()
    declared = re.findall(r"(in|out)put +wire +(?:\[(\d+):0\] +)?(\w+)", header)
    described = []
    for port in elements(root, "port"):
        (name,), (direction,) = texts(port, "name"), texts(port, "wire/direction")
        described.append((direction, *(texts(port, "wire/vector/left") or [""]), name))
    assert described == declared and len(declared) == header.count("put ")
    assert set(texts(root, "model/views/view/modelName")) == {module} == set(texts(root, "name"))


def test_registers_are_the_boards_own_and_the_constants_those_of_the_network(build, root):
    design = Design.load(build)
    height, width, channels = design.image_shape
    resets = {}
    for register in elements(root, "register"):
        (name,), (offset,) = texts(register, "name"), texts(register, "addressOffset")
        assert int(offset, 16) == getattr(registers, name)
        resets[name] = [int(value, 16) for value in texts(register, "reset/value")]
    assert resets == {
        "OUTPUT_MODE": [], "FRAMES_DONE": [], "SOFT_RESET": [], "NETWORK_HASH_LO": [design.network_hash % 2**32],
        "NETWORK_HASH_HI": [design.network_hash >> 32], "HEIGHT": [height], "WIDTH": [width], "CHANNELS": [channels],
        "CLASSES": [1], "OUT_HEIGHT": [height], "OUT_WIDTH": [width],
    }  # fmt: skip


def test_sources_are_the_accelerators_unchanged_packages_before_their_users(build, root):
    synthesis, simulation, _ = elements(root, "fileSet")
    listed = texts(synthesis, "file/name")
    assert listed == texts(simulation, "file/name") and listed[-1] == "src/edgeseg_stream.v"
    design = Design.load(build)
    for source in design.sources:
        assert hash_file(build / "ip/src" / source.path) == source.sha256
        assert (build / "ip/src" / source.path).read_bytes() == (design.rtl_dir / source.path).read_bytes()
    below = {str(path.relative_to(build / "ip")) for path in (build / "ip/src").rglob("*") if path.is_file()}
    assert below == set(listed)
    defined = set()
    for name in listed:
        source = re.sub(r"//.*", "", (build / "ip" / name).read_text())
        used = set(re.findall(r"\b(\w+_pkg)::", source))
        defined |= set(re.findall(r"^package (\w+)", source, re.MULTILINE))
        assert used <= defined, name


def test_vendor_extensions_name_the_family_of_the_part(root):
    assert [family.text for family in root.iter("{http://www.xilinx.com}family")] == ["zynq"]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_are_whole_bytes(channels):
    (data,) = (port for port in core_ports(channels) if port.name == "s_axis_tdata")
    assert data.bits == 8 * channels


def test_core_of_an_ultrascale_part(build, tmp_path):
    copied = shutil.copytree(build, tmp_path / "build")
    record = copied / "shell" / "shell.json"
    record.write_text(record.read_text().replace('"zynq-7000"', '"zynq-ultrascale"'))
    assert Shell.load(copied).family == "zynq-ultrascale"
    assert cli.main(["ip", "--out", str(copied), "--ip", str(tmp_path / "core")]) == 0
    root = ElementTree.parse(tmp_path / "core" / COMPONENT).getroot()
    assert [family.text for family in root.iter("{http://www.xilinx.com}family")] == ["zynquplus"]


def refused(capsys, build_dir):
    assert cli.main(["ip", "--out", str(build_dir)]) == 2
    assert not list(build_dir.glob("*ip*"))
    return capsys.readouterr().err


def test_build_without_a_shell(tmp_path, capsys):
    (tmp_path / "steps").mkdir()
    assert "run the stitch step first" in refused(capsys, tmp_path)


def test_a_folder_of_something_else_is_not_replaced_and_an_earlier_core_is(build, tmp_path, capsys):
    (tmp_path / "component.xml").write_text("of another core")
    assert cli.main(["ip", "--out", str(build), "--ip", str(tmp_path)]) == 2
    assert "holds other files than a core's, which would be lost; give another folder" in capsys.readouterr().err
    assert (tmp_path / "component.xml").read_text() == "of another core"
    shutil.copytree(build / "ip", tmp_path / "core")
    (tmp_path / "core" / "component.xml").write_text("outdated")
    assert cli.main(["ip", "--out", str(build), "--ip", str(tmp_path / "core")]) == 0
    assert (tmp_path / "core" / "component.xml").read_text() == (build / "ip" / "component.xml").read_text()


def test_accelerator_with_other_ports_is_refused(build, tmp_path, capsys):
    copied = shutil.copytree(build, tmp_path / "build", ignore=shutil.ignore_patterns("ip"))
    top = copied / "rtl" / "top.sv"
    top.write_text(top.read_text().replace("mask_mode,", "mask_mode_,"))
    assert "top.sv is not the file that was stitched and simulated" in refused(capsys, copied)
    design = Design.load(copied)
    changed = dataclasses.replace(design.sources[-1], sha256=hash_file(top))
    assert changed.path == "top.sv"
    dataclasses.replace(design, sources=(*design.sources[:-1], changed)).save()
    assert re.search("edgeseg_stream of .* does not lint: %.*mask_mode", refused(capsys, copied))
