"""The device netlist of two joined accelerators: both run at once through the pins of one processing system.

Slow: every part through Yosys, and a simulator of cells.
"""

import json
import sys
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
from hw_build.implement.shell.device import load_device

pytestmark = pytest.mark.slow
JOB = Job(frames=2, mask=False, stall=0.4, latency=40)


@pytest.fixture(scope="module")
def joint(tmp_path_factory):
    """(joint folder, its exports) of two small networks, past the command `netlist`."""
    folder = tmp_path_factory.mktemp("joint")
    made = []
    for stage, seed in (("first", 4), ("second", 7)):
        made.append(exports.write_export(folder / f"e-{stage}", synthetic.unet(16, 32, levels=0, dims=(2,), seed=seed)))
        options = ["--export", str(made[-1]), "--out", str(folder / stage), "--board", "pynq-z2"]
        assert cli.main(["build", *options, "--stop-after", "shell"]) == 0
    out, builds = folder / "joint", ["--first", str(folder / "first"), "--second", str(folder / "second")]
    assert cli.main(["join", *builds, "--out", str(out), "--simulation-only"]) == 0
    options = ["--export", *map(str, made), "--out", str(out)]
    assert cli.main(["netlist", *options, "--frames", "2", "--stall", "0.4"]) == 0
    return out, [read_export(export) for export in made]


def modules(out):
    return json.loads((out / "netlist" / "netlist.json").read_text())["modules"]


def test_both_are_exact_at_once_and_the_record_says_so(joint):
    out, golden = joint
    assert (golden[0].logits != golden[1].logits).any()
    record = json.loads((out / "netlist" / "record.json").read_text())
    assert record["checked"] == ["logits of 2 frames, memory stalled in 40%"]
    cells = modules(out)["edgeseg_top"]["cells"].values()
    (processor,) = (cell for cell in cells if cell["type"] == "PS7")
    assert {"SAXIHP0WDATA", "SAXIHP1WDATA"} <= processor["connections"].keys()


def test_a_pin_of_the_second_port_that_is_left_open_is_named(joint):
    found = modules(joint[0])
    (name,) = (name for name, cell in found["edgeseg_top"]["cells"].items() if cell["type"] == "PS7")
    del found["edgeseg_top"]["cells"][name]["connections"]["SAXIHP1ARLEN"]
    with pytest.raises(BuildError, match="nothing is connected to its input SAXIHP1ARLEN"):
        check_netlist(found, "edgeseg_top")


def test_two_wires_of_the_second_port_exchanged_are_seen(joint, tmp_path):
    """Of the data: the first accelerator stays exact, the second does not."""
    out, golden = joint
    found = modules(out)
    (processor,) = (cell for cell in found["edgeseg_top"]["cells"].values() if cell["type"] == "PS7")
    data = processor["connections"]["SAXIHP1WDATA"]
    data[0], data[1] = data[1], data[0]
    (tmp_path / "netlist.json").write_text(json.dumps({"modules": found}))
    device = load_device(out)
    library = build_netlist(tmp_path / "netlist.json", device.around, tmp_path)
    frames = [export.frames(JOB.frames) for export in golden]
    interval = max(design.expected_cycles_per_frame for design in device.designs)
    left = simulate_netlist(library, device.around, [codes for codes, _, _ in frames], JOB, frame_cycles=interval)
    compare_bytes(left[0], frames[0][1], frames[0][2], JOB, "netlist", tmp_path)
    with pytest.raises(MismatchError, match="values differ"):
        compare_bytes(left[1], frames[1][1], frames[1][2], JOB, "netlist", tmp_path)
