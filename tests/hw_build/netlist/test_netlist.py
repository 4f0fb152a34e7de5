"""The device netlist of whole small networks, simulated through the pins of its processor: every byte is golden."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from qonnx.core.onnx_exec import execute_onnx

sys.path.insert(0, str(Path(__file__).parents[1]))
import exports
import synthetic

from hw_build.base.board_config import load_board
from hw_build.base.errors import BuildError, MismatchError
from hw_build.base.export import read_export
from hw_build.base.sources import digests_of
from hw_build.cli import main as cli
from hw_build.implement.board_sim.library import ProtocolError
from hw_build.implement.netlist import device, simulation
from hw_build.implement.netlist.device import hash_sources, make_netlist
from hw_build.implement.netlist.record import saved_record
from hw_build.implement.netlist.simulation import Job, build_netlist, compare_bytes, simulate_netlist
from hw_build.implement.shell.device import Device, load_device
from hw_build.implement.shell.generate import Shell, write_shell
from hw_build.report.data import read_report
from hw_build.stitch import Design, stitch
from tests.hw_build.hw_graphs import GraphBuilder

LOGITS, MASKS = Job(frames=2, mask=False), Job(frames=2, mask=True, stall=0.5, latency=30, seed=3)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A small network with logits of both signs, built as far as its netlist."""
    folder = tmp_path_factory.mktemp("netlist")
    export = exports.write_export(folder / "export", synthetic.unet(16, 32, levels=0, dims=(2,), seed=4))
    options = ["--export", str(export), "--board", "pynq-z2", "--out", str(folder / "build")]
    assert cli.main(["build", *options, "--netlist"]) == 0
    return folder


def simulated(build_dir, netlist, export, job):
    design, shell = Design.load(build_dir), Shell.load(build_dir)
    codes, logits, names = export.frames(job.frames)
    (found,) = simulate_netlist(
        build_netlist(netlist, shell, build_dir), shell, [codes], job, frame_cycles=design.expected_cycles_per_frame
    )
    compare_bytes(found, logits, names, job, "netlist", build_dir / "mismatch")


def test_the_ladder_ends_with_the_netlist(built):
    export, report = read_export(built / "export"), read_report(built / "build" / "report.json")
    assert (export.logits > 0).any() and (export.logits < 0).any() and len(np.unique(export.logits)) > 20
    last = report.verification[-1]
    assert last.step == "netlist" and last.exact and report.exact
    both_twice = 2 * (export.logits.nbytes + export.logits.size // 8)  # logits and masks, with and without stalls
    assert last.against == f"golden logits of 2 images of 16x32, {both_twice:,} bytes in memory"
    assert report.totals.netlist_luts > 2000 and report.totals.netlist_dsps == 7
    assert "The device netlist" in (built / "build" / "report.html").read_text()


def test_second_build_takes_the_netlist_as_it_is(built, capfd):
    options = ["--export", str(built / "export"), "--board", "pynq-z2", "--out", str(built / "build")]
    assert cli.main(["build", *options, "--netlist"]) == 0
    (line,) = (line for line in capfd.readouterr().err.splitlines() if line.split()[:1] == ["netlist"])
    assert "unchanged" in line


def test_the_command_runs_another_job(built, capsys):
    options = ["--export", str(built / "export"), "--out", str(built / "build")]
    assert cli.main(["netlist", *options, "--frames", "3", "--mask", "--stall", "0.6", "--seed", "5"]) == 0
    assert "exact, against golden logits of 3 images of 16x32, 192 bytes" in capsys.readouterr().out
    build_dir = built / "build"
    record = saved_record(build_dir, hash_sources(load_device(build_dir)))
    assert "packed masks of 3 frames, memory stalled in 60%" in record.checked and len(record.checked) == 5


@pytest.mark.parametrize(
    "name",
    [
        "implement/netlist/fan_out.py",
        "implement/netlist/assemble.py",
        "implement/synth/passes.py",
        "rtl/lib/rom.sv",
        "base/board_config.py",
        "base/step_engine.py",
    ],
)
def test_an_edit_of_what_makes_a_netlist_makes_it_anew(built, monkeypatch, name):
    of_build = load_device(built / "build")
    assert saved_record(of_build.build_dir, hash_sources(of_build)) is not None
    digests = digests_of(make_netlist)
    monkeypatch.setattr(device, "digests_of", lambda function: digests | {f"hw_build/{name}": "of an edited file"})
    assert f"hw_build/{name}" in digests
    assert saved_record(of_build.build_dir, hash_sources(of_build)) is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--frames", "0"], "--frames must be at least 1, got 0"),
        (["--frames", "1", "--stall", "1"], "--stall is a probability and must be at least 0 and below 1, got 1.0"),
        (["--mask"], "--mask and --stall describe one job: give --frames, too"),
    ],
)
def test_jobs_that_cannot_be(built, capsys, options, sentence):
    assert cli.main(["netlist", "--export", str(built / "export"), "--out", str(built / "build"), *options]) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"


def head_luts(module):
    """LUTs of the last layer, whose function each logit depends on."""
    names = [name for name in module["cells"] if ".ConvThreshold_rtl_" in name]
    last = max(int(name.split(".ConvThreshold_rtl_")[1].split(".")[0]) for name in names)
    return [
        cell
        for name, cell in module["cells"].items()
        if f".ConvThreshold_rtl_{last}." in name and cell["type"] in ("LUT3", "LUT4", "LUT5", "LUT6")
    ]


def test_other_luts_in_the_head_are_seen(built, tmp_path):
    netlist = json.loads((built / "build" / "netlist" / "netlist.json").read_text())
    luts = head_luts(netlist["modules"]["edgeseg_top"])
    assert len(luts) > 5
    for cell in luts:
        cell["parameters"]["INIT"] = cell["parameters"]["INIT"].translate(str.maketrans("01", "10"))
    (tmp_path / "netlist.json").write_text(json.dumps(netlist))
    with pytest.raises(BuildError) as raised:
        simulated(built / "build", tmp_path / "netlist.json", read_export(built / "export"), LOGITS)
    if isinstance(raised.value, MismatchError):
        assert "values differ (logits of 2 frames), first of image" in str(raised.value)
    else:
        assert "is stuck: 0 of 2 frames" in str(raised.value)


def test_a_difference_names_the_pixel_and_saves_both_sides(tmp_path):
    logits = np.arange(-8, 8, dtype=np.int32).reshape(1, 4, 4, 1)
    job = Job(frames=1, mask=False)
    compare_bytes(logits.view(np.uint8).reshape(-1), logits, ["a"], job, "netlist", tmp_path)
    found = logits.copy()
    found[0, 0, 1] &= 0xF  # as a logit that is cut to four bits
    first = r"1 of 16 values differ \(logits of 1 frame\), first of image a at \(0, 1\): 9 instead of -7; both are in"
    with pytest.raises(MismatchError, match=first):
        compare_bytes(found.view(np.uint8).reshape(-1), logits, ["a"], job, "netlist", tmp_path)
    with np.load(tmp_path / "mismatch_netlist.npz") as saved:
        assert (saved["found"] == found).all() and (saved["expected"] == logits).all()
    mask = np.zeros(8, np.uint8)  # of a whole beat
    mask[:2] = np.packbits((logits > 1).reshape(-1), bitorder="little")
    with pytest.raises(MismatchError, match=r"1 of 16 values differ \(packed masks of 1 frame\).*\(2, 1\): 0 instead"):
        compare_bytes(mask, logits, ["a"], Job(frames=1, mask=True), "netlist", tmp_path)


def test_a_difference_in_indices_and_in_what_fills_up_is_seen(tmp_path):
    logits = np.arange(18, dtype=np.int32).reshape(1, 2, 3, 3) % 5
    logits[0, 1] = 7  # ties
    job = Job(frames=1, mask=True)
    indices = np.array([2, 1, 2, 0, 0, 0, 0, 0], np.uint8)
    compare_bytes(indices, logits, ["a"], job, "netlist", tmp_path)
    wrong, filled = indices.copy(), indices.copy()
    wrong[3], filled[6] = 2, 1
    with pytest.raises(
        MismatchError, match=r"1 of 6 values differ \(packed masks of 1 frame\).*\(1, 0\): 2 instead of 0"
    ):
        compare_bytes(wrong, logits, ["a"], job, "netlist", tmp_path)
    with pytest.raises(MismatchError, match=r"what fills up the results is not zero \(packed masks of 1 frame\)"):
        compare_bytes(filled, logits, ["a"], job, "netlist", tmp_path)


def test_a_broken_rule_of_axi_is_one_sentence(built, capsys, monkeypatch):
    def broken(*arguments, **options):
        raise ProtocolError("AW changes before AWREADY in cycle 7")

    monkeypatch.setattr(simulation, "run_jobs", broken)
    options = ["--export", str(built / "export"), "--out", str(built / "build"), "--frames", "1"]
    assert cli.main(["netlist", *options]) == 2
    sentence = "the simulated device breaks a rule of AXI (logits of 1 frame): AW changes before AWREADY in cycle 7"
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {sentence}"


def test_every_kernel_that_networks_are_lowered_to(tmp_path):
    export = exports.write_export(tmp_path / "export", synthetic.every_kernel())
    assert 0.2 < (read_export(export).logits > 0).mean() < 0.8
    options = ["--export", str(export), "--board", "pynq-z2", "--out", str(tmp_path / "build")]
    assert cli.main(["build", *options, "--stop-after", "shell"]) == 0
    assert {node.op_type for node in Design.load(tmp_path / "build").nodes} == {
        "ConvThreshold_rtl", "DepthwiseConv_rtl", "StreamFork_rtl", "MaxPool2x2_rtl", "BilinearThreshold2x_rtl",
        "StreamConcat_rtl", "StreamAddThreshold_rtl",
    }  # fmt: skip
    assert ".SCALED" in (tmp_path / "build" / "rtl" / "top.sv").read_text()
    assert cli.main(["netlist", "--export", str(export), "--out", str(tmp_path / "build")]) == 0


@pytest.mark.slow
def test_four_classes_of_odd_size(tmp_path):
    """Logits and indices, with and without stalls of the memory, of frames that fill no beats."""
    export = exports.write_export(tmp_path / "export", synthetic.classes(7, 9), height=7, width=9)
    options = ["--export", str(export), "--out", str(tmp_path / "build")]
    assert cli.main(["build", *options, "--board", "pynq-z2", "--stop-after", "shell"]) == 0
    assert cli.main(["netlist", *options]) == 0
    line = (tmp_path / "build" / "netlist" / "record.json").read_text()
    assert all(what in line for what in ("logits of 2 frames", "packed masks of 2 frames, memory stalled in 40%"))


def test_the_other_kernels_signed_ones_too(tmp_path):
    """What stands alone, or after a sum without thresholds: made by hand, for networks rarely lower to it."""
    graph = GraphBuilder(16, 16, channels=2)
    codes = graph.ours(
        "Threshold_rtl", ["global_in"], [graph.shapes["global_in"]], ["UINT4"],
        [(np.arange(8, 248, 16)[None], "UINT8")], PE=1, ThresholdRows=1, outputDataType="UINT4",
    )  # fmt: skip
    left, right = graph.fork(codes[0])
    total = graph.upsample(graph.max_pool(graph.add(left, right)))
    (signed,) = graph.ours(
        "ChannelBias_rtl", [total], [graph.shapes[total]], ["INT11"], [([-300, -200], "INT11")], PE=1,
        outputDataType="INT11",
    )  # fmt: skip
    steps = np.stack([np.arange(-150, 150, 20), np.arange(-90, 90, 12)])
    (narrow,) = graph.ours(
        "Threshold_rtl", [signed], [graph.shapes[signed]], ["UINT4"], [(steps, graph.types[signed])], PE=1,
        ThresholdRows=2, outputDataType="UINT4",
    )  # fmt: skip
    (logits,) = graph.ours(
        "ConvThreshold_rtl", [narrow], [(1, 16, 16, 1)], ["INT12"], [([[[[7, -5]]]], "INT4"), ([-11], "INT12")],
        OutChannels=1, KernelDim=1, PE=1, SIMD=1, Raw=1, weightDataType="INT4", outputDataType="INT12", NarrowWeights=1,
    )  # fmt: skip
    model = graph.model(logits)
    design = stitch(model, tmp_path)
    with_shell = tmp_path / "shell"
    with_shell.mkdir()
    shell = write_shell(design, load_board("pynq-z2"), with_shell)
    make_netlist(Device.of_build(design, shell), lambda what, total: lambda done: None)
    codes = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 2), dtype=np.uint8)
    each = [execute_onnx(model, {"global_in": frame[None].astype(np.float32)})["global_out"] for frame in codes]
    expected = np.concatenate(each).astype(np.int32)
    assert (expected > 0).any() and (expected < 0).any()
    library = build_netlist(tmp_path / "netlist" / "netlist.json", shell, tmp_path)
    for job in (LOGITS, MASKS):
        (found,) = simulate_netlist(library, shell, [codes], job, frame_cycles=design.expected_cycles_per_frame)
        compare_bytes(found, expected, ["first", "second"], job, "netlist", tmp_path)
