"""Two builds joined to one device: names, second port, records, zip, and what is refused with one sentence."""

import json
import re
import shutil
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import exports
import synthetic

from hw_build.base.errors import BuildError
from hw_build.base.step_engine import hash_file
from hw_build.cli import main as cli
from hw_build.implement.deploy.hwh import hwh_text
from hw_build.implement.shell.device import load_device
from hw_build.implement.shell.joint import second_base
from hw_build.implement.shell.second_port import two_ports
from hw_build.simulate.lint import RTL_DIR
from hw_build.simulate.primitives import ports
from hw_build.stitch.renaming import side_by_side

LEAF = "// a leaf\nmodule leaf (input wire x);\nendmodule\n"
USER = "module user (input wire x);\n  leaf l (.x(x));\nendmodule\n"
TOP = "module top;\n  user u (.x(1'b{value}));\n  other o (.leaf(1'b0));\nendmodule\n"
OTHER = "module other (input wire leaf);\nendmodule\n"


def test_equal_files_are_there_once_and_the_top_twice():
    one = {"a/leaf.sv": LEAF, "a/user.sv": USER, "top.sv": TOP.format(value=0)}
    files, renamed = side_by_side({"first": one, "second": one}, always=("top",))
    assert renamed == {"top"}
    assert list(files) == ["a/leaf.sv", "a/user.sv", "first/top.sv", "second/top.sv"]
    assert files["a/user.sv"] == USER and "module second_top;" in files["second/top.sv"]
    assert "user u" in files["second/top.sv"]


def test_what_differs_and_all_that_names_it_is_renamed_wherever_the_word_stands():
    one = {"a/leaf.sv": LEAF, "a/user.sv": USER, "a/other.sv": OTHER, "top.sv": TOP.format(value=0)}
    other = {**one, "a/leaf.sv": LEAF.replace("a leaf", "another leaf")}
    files, renamed = side_by_side({"first": one, "second": other}, always=("top",))
    assert renamed == {"leaf", "user", "other", "top"}  # `other` has a port of that name
    assert "second_leaf l (.x(x))" in files["second/a/user.sv"]
    assert ".second_leaf(1'b0)" in files["second/top.sv"] and "wire second_leaf" in files["second/a/other.sv"]
    assert not any(path.startswith("a/") for path in files)


def test_a_module_in_another_file_of_other_contents_is_renamed_and_packages_come_first():
    first = {"a_pkg.sv": "package a_pkg;\nendpackage\n", "x.sv": LEAF, "top.sv": TOP}
    second = {"y.sv": LEAF + "// more\n", "b_pkg.sv": "package b_pkg;\nendpackage\n", "top.sv": TOP}
    files, renamed = side_by_side({"first": first, "second": second}, always=())
    assert "leaf" in renamed and list(files)[:2] == ["a_pkg.sv", "b_pkg.sv"]
    assert set(files) >= {"first/x.sv", "second/y.sv"}


def test_every_pin_of_the_first_memory_port_has_its_like_at_the_second():
    text = two_ports((RTL_DIR / "shell" / "zynq7000_ps.sv").read_text())
    pins = dict(re.findall(r"^ +\.([A-Z0-9]+) *\((.*)\),?$", text, re.MULTILINE))
    first = {pin for pin in pins if pin.startswith("SAXIHP0")}
    inputs = {pin for pin, (way, _) in ports("PS7").items() if way == "input" and pin.startswith("SAXIHP1")}
    assert len(first) > 40 and inputs <= pins.keys()
    for pin in first:
        expected = pins[pin].replace("s_mem", "s_mem2")
        assert pins[pin.replace("HP0", "HP1")] == expected
    assert pins["IRQF2P"] == "{18'd0, irq}"


@pytest.mark.parametrize(
    ("base", "found"),
    [(0x43C0_0000, (16, 0x43C1_0000)), (0x43C1_0000, (17, 0x43C3_0000)), (0x4000_0000, (16, 0x4001_0000))],
)
def test_the_second_base_is_the_first_with_one_bit_more(base, found):
    assert second_base(base) == found


@pytest.mark.parametrize("base", [0x7FFF_0000 | 0x3FFF_0000, 0xA000_0000])
def test_a_base_without_a_second_is_refused(base):
    with pytest.raises(BuildError, match=f"control_base 0x{base:08x} leaves no second address"):
        second_base(base)


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    """(exports, build directories) of two small networks, as far as their shells."""
    folder = tmp_path_factory.mktemp("joint")
    made = []
    for stage, seed in (("first", 4), ("second", 7)):
        export = exports.write_export(folder / f"e-{stage}", synthetic.unet(16, 32, levels=0, dims=(2,), seed=seed))
        options = ["--export", str(export), "--out", str(folder / stage), "--board", "pynq-z2"]
        assert cli.main(["build", *options, "--stop-after", "shell"]) == 0
        made.append((export, folder / stage))
    return tuple(zip(*made, strict=True))


@pytest.fixture(scope="module")
def joint(builds, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "joint"
    assert join(*builds[1], out) == 0
    return out


def join(first, second, out, *options):
    options = options or ("--simulation-only",)
    arguments = ["--first", first, "--second", second, "--out", out, *options]
    return cli.main(["join", *map(str, arguments)])


def test_the_device_names_both_accelerators_and_holds_the_builds_as_they_were(joint, builds):
    device = load_device(joint)
    assert [system.control_base for system in device.around.systems] == [0x43C0_0000, 0x43C1_0000]
    assert [system.core for system in device.around.systems] == [
        "first_edgeseg_accelerator",
        "second_edgeseg_accelerator",
    ]
    for number, build in enumerate(builds[1]):
        alone = load_device(build)
        assert device.around.systems[number].network_hash == alone.designs[0].network_hash
        assert [each.sha256 for each in device.designs[number].sources] == [s.sha256 for s in alone.designs[0].sources]
    top = (joint / "joint" / "edgeseg_top.sv").read_text()
    assert top.count("_edgeseg_system ") == 2 and ".BIT(16)" in top
    texts = [path.read_text() for path in device.sources]
    modules = re.findall(r"^module (\w+)", "\n".join(texts), re.MULTILINE)
    assert len(modules) == len(set(modules))


def test_the_handoff_file_describes_both(joint):
    root = ElementTree.fromstring(hwh_text(load_device(joint).around))
    places = {each.get("INSTANCE"): each.get("BASEVALUE") for each in root.iter("MEMRANGE")}
    assert places == {"edgeseg_0": "0x43C00000", "edgeseg_1": "0x43C10000"}
    modules = [each for each in root.iter("MODULE") if each.get("VLNV").startswith("edgeseg:user:edgeseg:")]
    assert [each.get("INSTANCE") for each in modules] == ["edgeseg_0", "edgeseg_1"]
    assert all(each.find(".//REGISTER[@NAME='STATUS']") is not None for each in modules)


def test_a_joint_source_that_was_changed_is_refused(joint):
    path = joint / "joint" / "control_split.sv"
    text = path.read_text()
    path.write_text(text + "// changed\n")
    with pytest.raises(
        BuildError, match=r"control_split.sv is not the file that `hw_build join` wrote: join the builds"
    ):
        load_device(joint)
    path.write_text(text)
    load_device(joint)


def commands(export, out):
    given = ["--export", str(export)]
    return {
        "simulate": ["simulate", *given, "--out", out],
        "synth": ["synth", "--out", out],
        "ip": ["ip", "--out", out],
        "hls": ["hls", "--out", out],
        "build": ["build", *given, "--board", "pynq-z2", "--out", out],
        "join": ["join", "--first", out, "--second", out, "--out", f"{out}-again", "--simulation-only"],
    }


@pytest.mark.parametrize("name", commands("", ""))
def test_other_commands_say_that_they_take_one_accelerator(joint, builds, capsys, name):
    assert cli.main(commands(builds[0][0], str(joint))[name]) == 2
    sentence = (
        f"error: '{joint}' holds two joined accelerators, `hw_build {name}` takes a build of one: give one of the"
    )
    assert capsys.readouterr().err.startswith(sentence)


@pytest.mark.parametrize("command", ["netlist", "deploy"])
def test_one_export_of_two_is_told(joint, builds, capsys, command):
    assert cli.main([command, "--export", str(builds[0][0]), "--out", str(joint)]) == 2
    assert "was built from both exports, first and second, got 1: give --export accordingly" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["bitstream", "deploy"])
def test_what_was_joined_for_simulation_goes_to_no_board(joint, builds, capsys, command):
    both = ["--export", *map(str, builds[0])]
    assert cli.main([command, *both, "--out", str(joint)]) == 2
    assert f"'{joint}' was joined with --simulation-only, for the simulated board alone" in capsys.readouterr().err


def report_of(build, **totals):
    """A copy of a build whose report says ``totals``."""
    path = build / "report.json"
    report = json.loads(path.read_text())
    report["totals"] |= {"cycles_per_frame": 4096, "parts_not_synthesised": 0, **totals}
    path.write_text(json.dumps(report))


@pytest.fixture
def synthesised(builds, tmp_path):
    """Copies of the builds with figures of a synthesis, and a function that changes one's."""
    copies = []
    for build in builds[1]:
        copies.append(tmp_path / build.name)
        shutil.copytree(build, copies[-1])
        report_of(copies[-1], luts=20_000, lutram=10, srl=5, ffs=9_000, bram36=60, dsps=100)
    return copies


def test_sums_that_the_board_has_are_told_and_the_zip_lies_as_a_cascades_folder(synthesised, builds, tmp_path, capsys):
    out = tmp_path / "joint"
    assert join(*synthesised, out, "--board", "pynq-z2") == 0
    assert "40,000 LUT sites of 53,200, 30 LUTRAM and SRL of 17,400, 18,000 flip-flops" in capsys.readouterr().out
    both = ["--export", *map(str, builds[0])]
    assert cli.main(["deploy", *both, "--out", str(out)]) == 0
    with zipfile.ZipFile(out / "edgeseg-deploy-no-bitstream.zip") as archive:
        names = set(archive.namelist())
        assert archive.read("second/golden.npz") == (builds[0][1] / "golden.npz").read_bytes()
        assert json.loads(archive.read("second/io_spec.json"))["network_hash"] == json.loads(
            (builds[1][1] / "io_spec.json").read_text()
        )["network_hash"]  # fmt: skip
        assert archive.read("README.md").decode().startswith("# A cascade on a PYNQ board")
    assert names >= {"edgeseg.hwh", "edgeseg.ipynb", "first/io_spec.json", "first/golden.npz", "first/board/driver.py"}


def test_the_script_of_vivado_reads_all_of_the_joint_folder_and_nothing_else(synthesised, tmp_path):
    out = tmp_path / "joint"
    assert join(*synthesised, out, "--board", "pynq-z2") == 0
    assert cli.main(["bitstream", "--out", str(out), "--toolchain", "vivado", "--inputs-only"]) == 0
    folder = out / "bitstream"
    script = (folder / "vivado.tcl").read_text()
    names = re.findall(r"^read_verilog -sv \[file join \$here (\S+)\]$", script, re.MULTILINE)
    listed = [(folder / name).resolve() for name in names]
    assert listed == [path.resolve() for path in load_device(out).sources]
    assert set(listed) == set((out / "joint").resolve().rglob("*.sv"))
    assert "edgeseg_1" in (folder / "edgeseg.hwh").read_text()
    assert {"edgeseg.xdc", "openxc7.sh"} <= {path.name for path in folder.iterdir()}


def test_exports_in_the_other_order_are_refused(synthesised, builds, tmp_path, capsys):
    out = tmp_path / "joint"
    assert join(*synthesised, out, "--board", "pynq-z2") == 0
    assert cli.main(["deploy", "--export", str(builds[0][1]), str(builds[0][0]), "--out", str(out)]) == 2
    assert "was built from another model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"luts": 40_000, "bram36": 90},
            "both accelerators do not fit pynq-z2: they take 60,000 LUT sites of 53,200, 150 BRAM36",
        ),
        ({"luts": None}, "is not finished, it was not synthesised: run"),
        ({"cycles_per_frame": None}, "is not finished, it was not simulated: run"),
        ({"parts_not_synthesised": 2}, "could not be synthesised, so what it takes is unknown"),
    ],
)
def test_what_does_not_fit_or_is_not_known_is_refused(synthesised, tmp_path, capsys, change, sentence):
    report_of(synthesised[1], **change)
    assert join(*synthesised, tmp_path / "joint", "--board", "pynq-z2") == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "joint").exists()


def shell_of(build, **values):
    """Changes the record of a shell, and what a design's check needs for it."""
    path = build / "shell" / "shell.json"
    record = json.loads(path.read_text())
    record |= values
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"part": "xc7z010clg400-1"},
            "are built for another part, xc7z020clg400-1 and xc7z010clg400-1: build both for one board",
        ),
        ({"fabric_mhz": 125.0}, "are built for another clock in MHz, 100.0 and 125.0: build both for one board"),
        ({"family": "zynq-ultrascale"}, "is built for zynq-ultrascale: only accelerators for Zynq-7000 are joined"),
    ],
)
def test_builds_of_different_boards_are_refused(synthesised, tmp_path, capsys, values, sentence):
    shell_of(synthesised[1], **values)
    assert join(*synthesised, tmp_path / "joint") == 2
    assert sentence in capsys.readouterr().err


def test_shells_of_different_versions_are_refused(synthesised, tmp_path, capsys):
    path = synthesised[1] / "shell" / "read_dma.sv"
    path.write_text(path.read_text() + "// another version\n")
    sources = json.loads((synthesised[1] / "shell" / "shell.json").read_text())["sources"]
    shell_of(synthesised[1], sources={**sources, path.name: hash_file(path)})
    assert join(*synthesised, tmp_path / "joint") == 2
    assert "have shells of different versions: run the shell step of both again" in capsys.readouterr().err


def test_unfinished_builds_and_foreign_folders_are_refused(synthesised, tmp_path, capsys):
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "notes.txt").write_text("mine")
    assert join(*synthesised, tmp_path / "foreign") == 2
    assert "holds something else than joined builds: give --out another folder" in capsys.readouterr().err
    assert join(*synthesised, synthesised[0]) == 2
    assert "give --out another folder" in capsys.readouterr().err
    shutil.rmtree(synthesised[1] / "shell")
    assert join(*synthesised, tmp_path / "joint") == 2
    assert "shell.json cannot be read (No such file or directory): run the shell step first" in capsys.readouterr().err


def test_golden_frames_differ_between_the_networks(builds):
    """Else exchanged accelerators would go unseen."""
    logits = [np.load(export / "golden.npz")["logits"] for export in builds[0]]
    assert (logits[0] != logits[1]).any()
