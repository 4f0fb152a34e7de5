"""The device of an UltraScale+ board in cells, up to the pins of its PS8: exact, and a fault at those pins is seen."""

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import exports
import synthetic

from hw_build.base.errors import BuildError, MismatchError
from hw_build.base.export import read_export
from hw_build.cli import main as cli
from hw_build.implement.netlist.rules import check_netlist
from hw_build.implement.netlist.simulation import Job, build_netlist, compare_bytes, simulate_netlist
from hw_build.implement.shell.generate import Shell
from hw_build.report.data import read_report
from hw_build.stitch import Design


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    model = synthetic.unet(16, 32, levels=0, dims=(2,), seed=4)  # logits of both signs
    return read_export(exports.write_export(tmp_path_factory.mktemp("export"), model))


@pytest.fixture(scope="module")
def built(export, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kv260")
    options = ["--export", str(export.folder), "--board", "kv260", "--out", str(folder)]
    assert cli.main(["build", *options, "--netlist"]) == 0
    return folder


@pytest.fixture
def modules(built):
    return json.loads((built / "netlist" / "netlist.json").read_text())["modules"]


def test_the_device_is_exact_and_the_rung_says_in_which_cells(built, export):
    assert {logit > 0 for logit in export.logits.reshape(-1).tolist()} == {False, True}
    report = read_report(built / "report.json")
    rung = report.verification[-1]
    assert (rung.step, rung.exact) == ("netlist", True)
    assert rung.against == (
        "golden logits of 2 images of 16x32, 8,448 bytes in memory, mapped to 7-series cells up to its PS8 "
        "(Vivado maps anew)"
    )
    assert report.totals.netlist_luts is None  # no place and route tool takes these cells
    checked = json.loads((built / "netlist" / "record.json").read_text())["checked"]
    assert {name.split(",")[0] for name in checked} == {"logits of 2 frames", "packed masks of 2 frames"}
    assert sum("memory stalled" in name for name in checked) == 2


def test_cells_are_those_that_synthesis_counts_around_one_ps8(modules):
    kinds = Counter(cell["type"] for cell in modules["edgeseg_top"]["cells"].values())
    assert (kinds["PS8"], kinds["BUFG_PS"], kinds["PS7"], kinds["BUFG"]) == (1, 1, 0, 0)
    assert kinds["SRL16E"] > 0  # what nextpnr cannot place stays, as it places no UltraScale+


@pytest.mark.parametrize("pin", ["SAXIGP2AWLEN", "MAXIGP0AWREADY", "PLPSIRQ0"])
def test_a_pin_of_the_ps8_that_is_left_open_is_named(modules, pin):
    (name,) = (name for name, cell in modules["edgeseg_top"]["cells"].items() if cell["type"] == "PS8")
    check_netlist(modules, "edgeseg_top")
    del modules["edgeseg_top"]["cells"][name]["connections"][pin]
    with pytest.raises(BuildError, match=f"PS8 'ps.ps': nothing is connected to its input {pin}"):
        check_netlist(modules, "edgeseg_top")


@pytest.mark.slow
def test_two_wires_of_the_ps8_exchanged_are_seen(built, export, modules, tmp_path):
    (processor,) = (cell for cell in modules["edgeseg_top"]["cells"].values() if cell["type"] == "PS8")
    data = processor["connections"]["SAXIGP2WDATA"]
    data[0], data[1] = data[1], data[0]
    (tmp_path / "netlist.json").write_text(json.dumps({"modules": modules}))
    shell, job = Shell.load(built), Job(frames=1, mask=False)
    codes, logits, names = export.frames(1)
    library = build_netlist(tmp_path / "netlist.json", shell, tmp_path)
    cycles = Design.load(built).expected_cycles_per_frame
    (found,) = simulate_netlist(library, shell, [codes], job, frame_cycles=cycles)
    with pytest.raises(MismatchError, match=r"step netlist: \d+ of 512 values differ \(logits of 1 frame\)"):
        compare_bytes(found, logits, names, job, "netlist", tmp_path)
