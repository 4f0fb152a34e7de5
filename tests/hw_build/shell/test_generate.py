"""The generated top of each board: it lints as a whole, carries the network's hash, and leaves no port input open."""

import json
import re
from dataclasses import asdict, replace

import pytest

from hw_build.base.board_config import board_names, load_board
from hw_build.base.errors import BuildError, ConfigError
from hw_build.base.step_engine import hash_file
from hw_build.implement.shell import generate
from hw_build.implement.shell.device import Device, load_device
from hw_build.implement.shell.generate import Shell, stream_sources, write_shell
from hw_build.implement.shell.system import System
from hw_build.implement.synth.yosys import synthesise
from hw_build.simulate.lint import RTL_DIR
from hw_build.simulate.primitives import declarations, ports
from hw_build.stitch.design import Design, Node, Source
from hw_build.stitch.top import HEADER

SYSTEM = System(
    core="core", height=16, width=16, channels=3, classes=1, network_hash=1, control_base=0x43C0_0000,
    address_bits=32, max_burst=16, out_height=16, out_width=16,
)  # fmt: skip
WITHOUT_HASHES = {
    "top": "t", "family": "zynq-7000", "part": "p", "fabric_mhz": 1.0, "window_bytes": 4, "sources": ["axi_pkg.sv"]
}  # fmt: skip
# what the boards' processing systems connect: all signals of a register port and a memory port
PRIMITIVES = {"zynq7000_ps": ("PS7", ("MAXIGP0", "SAXIHP0")), "zynqmp_ps": ("PS8", ("MAXIGP0", "SAXIGP2"))}


@pytest.fixture
def design(tmp_path):
    """A design whose accelerator is its header alone."""
    values = {"channels": 3, "height": 16, "width": 32, "in_high": 23, "edges": 1, "classes": 1, "decisions": "masks"}
    values["of_size"] = ""
    header = HEADER.format(top="edgeseg_accelerator", **values)
    (tmp_path / "rtl").mkdir()
    (tmp_path / "rtl" / "top.sv").write_text(header + "endmodule\n")
    sources = (Source(path="top.sv", sha256=hash_file(tmp_path / "rtl" / "top.sv")),)
    node = Node(
        name="all", op_type="All_rtl", origin="edgeseg", module="all", parameters={}, inputs=("x",), outputs=("y",),
        expected_cycles=1,
    )  # fmt: skip
    return Design(
        build_dir=tmp_path, image_shape=(16, 32, 3), classes=1, logit_bits=12, logit_signed=True, nodes=(node,),
        streams=(), sources=sources,
    )  # fmt: skip


@pytest.mark.parametrize("name", board_names())
def test_the_top_of_every_board_lints(design, name):
    board = load_board(name)
    folder = design.build_dir / "shell"
    folder.mkdir()
    shell = write_shell(design, board, folder)
    assert Shell.load(design.build_dir) == shell
    assert all((folder / source).is_file() for source in shell.sources)
    assert (folder / list(shell.sources)[-1]).read_text().count("_ps ps (") == 1
    text = (folder / "edgeseg_system.sv").read_text()
    for value in (f"64'h{design.network_hash:016x}", f"64'h{board.ps.control_base:016x}", "edgeseg_accelerator core"):
        assert value in text
    assert (shell.part, shell.system.max_burst) == (board.part, board.ps.max_burst_beats)


def test_a_shell_that_does_not_lint_is_refused(design):
    top = design.rtl_dir / "top.sv"
    top.write_text(top.read_text().replace("mask_mode,", "mask_mode_,"))
    with pytest.raises(BuildError, match=r"does not lint: %(Error|Warning).*PIN.*mask_mode"):
        write_shell(design, load_board("pynq-z2"), design.build_dir)


def test_what_is_linted_is_what_is_written(design, monkeypatch):
    linted = {}
    monkeypatch.setattr(generate, "lint", lambda top, files: linted.update({p.name: hash_file(p) for p in files}))
    folder = design.build_dir / "shell"
    folder.mkdir()
    shell = write_shell(design, load_board("pynq-z2"), folder)
    assert {path.name: hash_file(path) for path in shell.files(design.build_dir)} == shell.sources
    beside = {"accelerator_ports.sv", *(path.name for path in stream_sources())}
    assert linted.items() >= shell.sources.items() and linted.keys() - shell.sources.keys() == beside


@pytest.mark.parametrize("name", ["axi_control.sv", "zynq7000_ps.sv", "edgeseg_system.sv", "edgeseg_top.sv"])
@pytest.mark.parametrize("change", [lambda path: path.write_text(path.read_text() + "\n"), lambda path: path.unlink()])
def test_a_source_that_was_changed_or_lost_is_refused(design, name, change):
    folder = design.build_dir / "shell"
    folder.mkdir()
    shell = write_shell(design, load_board("pynq-z2"), folder)
    design.save()
    assert load_device(design.build_dir) == Device.of_build(design, shell)
    change(folder / name)
    with pytest.raises(BuildError, match=f"{name} is not the file that the shell step wrote: run the shell step again"):
        load_device(design.build_dir)


def test_a_shell_of_another_accelerator_is_refused(design):
    folder = design.build_dir / "shell"
    folder.mkdir()
    write_shell(design, load_board("pynq-z2"), folder)
    other = design.build_dir / "rtl" / "other.sv"
    other.write_text("// one source more\n")
    replace(design, sources=(*design.sources, Source(path=other.name, sha256=hash_file(other)))).save()
    with pytest.raises(BuildError, match="was made for another accelerator: run the shell step again"):
        load_device(design.build_dir)


@pytest.mark.parametrize("module", PRIMITIVES)
def test_every_input_of_a_used_port_is_connected(module):
    primitive, prefixes = PRIMITIVES[module]
    connected = set(re.findall(r"\.([A-Z][A-Z0-9]+)\s*\(", (RTL_DIR / "shell" / f"{module}.sv").read_text()))
    inputs = {port for port, (direction, _) in ports(primitive).items() if direction == "input"}
    needed = {port for port in inputs if port.startswith(prefixes)}
    assert len(needed) > 40 and needed <= connected, needed - connected


@pytest.mark.parametrize(("module", "cells"), [("zynq7000_ps", ("PS7", "BUFG")), ("zynqmp_ps", ("PS8", "BUFG_PS"))])
def test_yosys_keeps_processor_clock_buffer_and_reset_chain(tmp_path, module, cells):
    (tmp_path / "primitives.v").write_text(declarations(cells))
    names = ("axi_pkg", "edgeseg_registers_pkg", "reset_sync", module)
    files = [tmp_path / "primitives.v", *(RTL_DIR / "shell" / f"{name}.sv" for name in names)]
    found = synthesise(module, files)
    assert [found[cell] for cell in cells] == [1, 1]
    assert found["FDCE"] == 4  # asynchronous clear, four stages


def test_unknown_primitive_is_named():
    with pytest.raises(BuildError, match="Yosys' cell library knows no primitive PS9"):
        declarations(["PS9"])


@pytest.mark.parametrize("old", ['{"top": 1}', json.dumps({**WITHOUT_HASHES, "system": asdict(SYSTEM)})])
def test_missing_or_foreign_shell_is_one_sentence(tmp_path, old):
    with pytest.raises(
        BuildError, match=r"shell.json cannot be read \(No such file or directory\): run the shell step"
    ):
        Shell.load(tmp_path)
    (tmp_path / "shell").mkdir()
    (tmp_path / "shell" / "shell.json").write_text(old)
    with pytest.raises(BuildError, match="is not a shell of this version .*: run the shell step again"):
        Shell.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"max_burst": 24}, "max_burst_beats must be a power of two from 2 to 256, got 24"),
        ({"control_base": 0x43C0_0800}, "control_base must be a multiple of 4096, got 0x43c00800"),
    ],
)
def test_a_system_that_cannot_be_is_refused(change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        replace(SYSTEM, **change)
