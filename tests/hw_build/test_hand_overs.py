"""What was checked is what is handed on: each source, and the network itself, changed on purpose and refused."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import exports
import synthetic

from hw_build.base.step_engine import hash_file
from hw_build.cli import main as cli
from hw_build.commands import bitstream
from hw_build.flow import netlist_step as netlist
from hw_build.implement.board_sim import build as board_sim
from hw_build.implement.shell.device import load_device
from hw_build.stitch import Design


def network(seed):
    return synthetic.unet(16, 32, levels=0, dims=(2,), seed=seed)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return exports.write_export(tmp_path_factory.mktemp("export") / "export", network(4))


@pytest.fixture(scope="module")
def build(export, tmp_path_factory):
    """Build directory as far as its shell."""
    folder = tmp_path_factory.mktemp("build")
    options = ["--export", str(export), "--out", str(folder), "--board", "kv260"]
    assert cli.main(["build", *options, "--stop-after", "shell"]) == 0
    return folder


@pytest.fixture(autouse=True)
def no_tools(monkeypatch):
    """Nothing goes as far as a tool; what would be compiled is noted."""
    compiled = []

    def note(name, sources, folder, **options):
        compiled.append((name, list(sources), options))
        raise StopIteration

    monkeypatch.setattr(board_sim, "build_library", note)
    monkeypatch.setattr(bitstream, "missing", lambda toolchain: ["no tool"])
    monkeypatch.setattr(netlist, "make_netlist", lambda *arguments: compiled.append("netlist"))
    return compiled


def sources_of_vivado(build):
    """Every file of RTL that the script reads, in its order."""
    folder = build / "bitstream"
    assert cli.main(["bitstream", "--out", str(build), "--toolchain", "vivado"]) == 3
    names = re.findall(r"^read_verilog -sv \[file join \$here (\S+)\]$", (folder / "vivado.tcl").read_text(), re.M)
    return [(folder / name).resolve() for name in names]


def users(build, export):
    """The commands that hand sources on, by name."""
    out = ["--out", str(build)]
    taking = [*out, "--export", str(export)]
    return {
        "bitstream": ["bitstream", *out, "--toolchain", "vivado"],
        "netlist": ["netlist", *taking],
        "synth": ["synth", *out],
        "deploy": ["deploy", *taking],
        "simulated deploy": ["deploy", *taking, "--simulated"],
        "ip": ["ip", *out],
    }


def test_the_script_of_vivado_reads_what_is_simulated_and_nothing_else(build, no_tools):
    device = load_device(build)
    (design,), shell = device.designs, device.around
    listed = sources_of_vivado(build)
    assert listed == [path.resolve() for path in device.sources]
    known = {(design.rtl_dir / each.path).resolve(): each.sha256 for each in design.sources}
    known |= {(build / "shell" / name).resolve(): sha256 for name, sha256 in shell.sources.items()}
    assert {path: hash_file(path) for path in listed} == known
    with pytest.raises(StopIteration):
        board_sim.build_board(build)
    ((_, compiled, options),) = no_tools
    replaced = {"edgeseg_top.sv", "zynqmp_ps.sv"}  # by the bench
    assert [path.resolve() for path in compiled] == [path for path in listed if path.name not in replaced]
    assert "module edgeseg_system" not in options["generated"]["sim_top.sv"]


def test_each_file_of_the_script_of_vivado_is_refused_when_it_was_changed(build, export, capsys):
    listed = sources_of_vivado(build)
    assert len(listed) > 20
    for path in listed:
        text = path.read_bytes()
        path.write_bytes(text + b"// changed\n")
        assert cli.main(users(build, export)["bitstream"]) == 2, path
        assert f"{path.name} is not the file that " in capsys.readouterr().err
        path.write_bytes(text)


@pytest.mark.parametrize("user", users("", ""))
@pytest.mark.parametrize("name", ["rtl/top.sv", "shell/axi_control.sv"])
def test_everybody_who_hands_sources_on_checks_them(build, export, capsys, no_tools, user, name):
    path = build / name
    text = path.read_text()
    path.write_text(text + "// changed\n")
    try:
        if (user, name) == ("ip", "shell/axi_control.sv"):  # the core has its own copy
            assert cli.main(users(build, export)[user]) == 0
            return
        assert cli.main(users(build, export)[user]) == 2
    finally:
        path.write_text(text)
    assert f"{path.name} is not the file that " in capsys.readouterr().err
    assert not no_tools


@pytest.mark.parametrize("command", ["deploy", "netlist", "simulate", "bitstream"])
def test_golden_data_of_another_network_are_refused(build, tmp_path, capsys, no_tools, command):
    other = exports.write_export(tmp_path / "other", network(5))
    assert cli.main([command, "--export", str(other), "--out", str(build)]) == 2
    assert re.search(
        f"'{build}' was built from another model than '{other / 'model.qonnx'}' \\(the hashes differ\\): give the "
        "export that was built, or build again",
        capsys.readouterr().err,
    )
    assert not no_tools and not list(build.glob("*.zip"))


def test_network_of_other_bytes_and_the_same_rtl_is_stitched_anew_and_taken(export, tmp_path):
    def stitched(model):
        folder = exports.write_export(tmp_path / "again", model)
        options = ["--export", str(folder), "--out", str(tmp_path / "build"), "--board", "kv260"]
        assert cli.main(["build", *options, "--stop-after", "shell"]) == 0
        return folder, Design.load(tmp_path / "build")

    model = network(4)
    _, first = stitched(model)
    model.model.producer_name = "another"
    folder, second = stitched(model)
    assert first.sources == second.sources and first.model_sha256 != second.model_sha256
    assert second.model_sha256 == hash_file(folder / "model.qonnx")
    assert cli.main(["deploy", "--export", str(folder), "--out", str(tmp_path / "build")]) == 0
