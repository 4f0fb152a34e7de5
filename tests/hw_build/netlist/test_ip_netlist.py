"""The packed core in cells, made of the files that its component.xml lists, in their order: golden logits and masks."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "rtl"))
import exports
import synthetic
from ipxact_rules import elements, texts
from stream_core import build_core, logit_words, mask_words, run

from board import registers as reg
from hw_build.base.errors import BuildError
from hw_build.base.export import read_export
from hw_build.cli import main as cli
from hw_build.implement.ip.core import CORE_MODULE
from hw_build.implement.netlist.assemble import assemble
from hw_build.implement.netlist.cell_models import cell_models
from hw_build.implement.netlist.rules import check_netlist
from hw_build.implement.netlist.simulation import write_verilog
from hw_build.implement.synth.design import synthesise_instances
from hw_build.implement.synth.instances import read_instances


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    model = synthetic.unet(16, 32, levels=0, dims=(2,), seed=4)  # logits of both signs
    return read_export(exports.write_export(tmp_path_factory.mktemp("export"), model))


@pytest.fixture(scope="module")
def files(export, tmp_path_factory):
    """Sources of the packed core, as and where its component.xml names them; the build that they came from is gone."""
    folder = tmp_path_factory.mktemp("core")
    build = folder / "build"
    options = ["--export", str(export.folder), "--board", "pynq-z2", "--out", str(build)]
    assert cli.main(["build", *options, "--stop-after", "shell"]) == 0
    assert cli.main(["ip", "--out", str(build), "--ip", str(folder / "ip")]) == 0
    build.rename(folder / "gone")
    synthesis = elements(ElementTree.parse(folder / "ip" / "component.xml").getroot(), "fileSet")[0]
    return [folder / "ip" / name for name in texts(synthesis, "file/name")]


def write_netlist(files, netlist):
    """The netlist of the core to ``netlist``: its parts mapped one by one and put together, as the device's are."""
    (top,) = (path for path in files if path.name == "top.sv")
    parts = synthesise_instances(read_instances(top.read_text(), "edgeseg_accelerator"), files, jobs=2)
    netlists = {(part.parent, part.module, part.name): part.netlist for part in parts}
    assert None not in netlists.values()
    assemble(CORE_MODULE, files, netlists, netlist)
    check_netlist(json.loads(netlist.read_text())["modules"], CORE_MODULE)


def simulator(netlist, folder):
    write_verilog(netlist, CORE_MODULE, folder / "core.v")
    return build_core([folder / "core.v", *cell_models(folder)])


@pytest.fixture(scope="module")
def netlist(files, tmp_path_factory):
    path = tmp_path_factory.mktemp("netlist") / "core.json"
    write_netlist(files, path)
    return path


@pytest.fixture(scope="module")
def core(netlist, tmp_path_factory):
    return simulator(netlist, tmp_path_factory.mktemp("simulator"))


@pytest.mark.parametrize(("idle", "stall"), [(0.0, 0.0), (0.3, 0.5)])
@pytest.mark.parametrize("mask", [False, True])
def test_golden_frames(core, export, mask, idle, stall):
    expected = mask_words(export.logits) if mask else logit_words(export.logits)
    assert len(set(expected)) > 2 and {logit > 0 for logit in export.logits.reshape(-1).tolist()} == {False, True}
    answers, read, words, lasts = run(
        core, export.codes.reshape(-1, 3), len(expected), writes=[(reg.OUTPUT_MODE, int(mask))],
        reads=[reg.HEIGHT, reg.WIDTH, reg.FRAMES_DONE], pins={"pixels_after": 1, "reads_after": len(expected)},
        idle=idle, stall=stall,
    )  # fmt: skip
    assert words == expected and answers == [0]
    assert np.flatnonzero(lasts).tolist() == [len(expected) // 2 - 1, len(expected) - 1]
    assert [value for _, value in read] == [*export.size, 2]


@pytest.mark.slow
def test_two_wires_of_the_core_exchanged_are_seen(netlist, export, tmp_path):
    content = json.loads(netlist.read_text())
    module = content["modules"][CORE_MODULE]
    first, second = module["ports"]["m_axis_tdata"]["bits"][:2]
    exchanged = {first: second, second: first}
    for cell in module["cells"].values():
        for bits in cell["connections"].values():
            bits[:] = [exchanged.get(bit, bit) for bit in bits]
    (tmp_path / "core.json").write_text(json.dumps(content))
    expected = logit_words(export.logits)
    _, _, words, _ = run(simulator(tmp_path / "core.json", tmp_path), export.codes.reshape(-1, 3), len(expected))
    assert words != expected
    swapped = [word & ~3 | (word & 1) << 1 | word >> 1 & 1 for word in expected]
    assert words == swapped


@pytest.mark.parametrize(
    ("lost", "sentence"),
    [
        ("conv_axi.sv", "module conv_axi is in none of the"),
        ("axi_control.sv", "edgeseg_stream: Yosys refuses it: .*unknown module 'axi_control'"),
    ],
)
def test_a_file_that_the_component_does_not_list_is_missed(files, tmp_path, lost, sentence):
    assert lost in {path.name for path in files}
    with pytest.raises(BuildError, match=sentence):
        write_netlist([path for path in files if path.name != lost], tmp_path / "core.json")
