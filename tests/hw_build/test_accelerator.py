"""The RTL half of a build where it goes wrong; a stand-in takes the simulator's place, the rest is real."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import exports

from hw_build.cli import main as cli
from hw_build.fifo.sizing import Sizing
from hw_build.flow import accelerator_steps as accelerator
from hw_build.implement.synth import design as of_design
from hw_build.implement.synth.cells import Utilization
from hw_build.implement.synth.design import Part
from hw_build.implement.synth.yosys import Cells
from hw_build.simulate.accelerator import AcceleratorRun, StreamUse
from hw_build.simulate.simulator import DeadlockError


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return exports.write_export(tmp_path_factory.mktemp("export"))


@pytest.fixture
def stand_in(export, monkeypatch):
    """Gives the golden logits back, changed by ``change``; no simulator is compiled."""
    golden = dict(np.load(export / "golden.npz"))
    change = {"logits": lambda logits: logits}

    def simulate(design, codes, **options):
        change["pace"] = options["source_cycles_per_frame"]
        known = [index for frame in codes for index, each in enumerate(golden["codes"]) if np.array_equal(frame, each)]
        logits = change["logits"](golden["logits"][known])
        count = len(codes)
        return AcceleratorRun(
            logits=logits,
            masks=(logits[..., 0] > 0).astype(np.uint8),
            first_in=[1000 * index for index in range(count)],
            last_in=[1000 * index + 900 for index in range(count)],
            last_out=[1000 * index + 1700 for index in range(count)],
            cycles_per_frame=1000 if count > 1 else None,
            streams=[
                StreamUse(label=s.label, tensor=s.tensor, depth=s.depth, peak=s.depth // 2, beats=1, waited=0)
                for s in design.streams
            ],
            cycles=10_000,
            seconds=0.5,
        )

    monkeypatch.setattr(accelerator, "simulate", simulate)
    monkeypatch.setattr(accelerator, "build_simulator", lambda design: None)
    monkeypatch.setattr(
        accelerator, "measure_nodes", lambda design, progress: {node.name: 500 for node in design.nodes}
    )
    return change


def arguments(command, export, out):
    return [command, "--export", str(export), "--board", "pynq-z2", "--out", str(out)]


def test_build_reports_what_was_measured(export, stand_in, tmp_path, capsys):
    assert cli.main(arguments("build", export, tmp_path)) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    known = {key: value for key, value in report["totals"].items() if value is not None}
    measured = {"cycles_per_frame": 1000, "fps_at_100mhz": 100_000.0, "latency_cycles": 1700, "flush_cycles": 800}
    assert known.items() >= measured.items() and known["simulated_khz"] == 20.0
    assert known.keys() - measured.keys() == {"simulated_khz", "fifo_luts", "fifo_bram18"}
    assert all(node["measured_cycles"] == 500 for node in report["nodes"])
    assert all(node["fifo_high_water"] == node["fifo_depth"] // 2 for node in report["nodes"])
    assert json.loads((tmp_path / "io_spec.json").read_text())["width"] == 32
    assert "report.html" in capsys.readouterr().out


def test_build_with_synthesis_reports_it_and_refuses_what_does_not_fit(export, stand_in, tmp_path, capsys, monkeypatch):
    def synthesise(design, *, cells, jobs, on_total, on_done):
        assert cells is Cells.XC7
        used = Utilization(logic_luts=4_000, bram18=3)
        return [Part(name=node.name, module=node.module, used=used, refusal=None) for node in design.nodes]

    monkeypatch.setattr(of_design, "synthesise_design", synthesise)
    assert cli.main([*arguments("build", export, tmp_path), "--synth"]) == 2
    report = json.loads((tmp_path / "report.json").read_text())
    luts = 4_000 * len(report["nodes"])
    assert f"error: the design does not fit pynq-z2: it takes {luts:,} LUT sites" in capsys.readouterr().err
    assert report["totals"]["luts"] == sum(node["luts"] for node in report["nodes"]) == luts > 53_200
    assert report["totals"]["cycles_per_frame"] == 1000
    assert {node["bram18"] for node in report["nodes"]} == {3}
    assert all(node["expected_luts"] is not None for node in report["nodes"])


def test_build_with_sized_fifos_stitches_what_was_measured(export, stand_in, tmp_path, monkeypatch):
    def size_fifos(model, work_dir, codes, logits, *, progress, ultra):
        assert not ultra
        depths = {tensor: 7 for node in model.graph.node for tensor in node.output}
        return Sizing(depths=depths, held=depths, interval=900)

    monkeypatch.setattr(accelerator.fifo, "size_fifos", size_fifos)
    assert cli.main([*arguments("build", export, tmp_path), "--size-fifos"]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert {node["fifo_depth"] for node in report["nodes"]} == {7}
    assert [line["step"] for line in report["verification"][-2:]] == ["simulate", "latency"]
    assert report["verification"][-1]["against"] == "golden logits of 3 images"
    totals, slowest = report["totals"], max(node["expected_cycles"] for node in report["nodes"])
    assert totals["paced_cycles_per_frame"] == stand_in["pace"] == slowest
    assert (totals["paced_latency_cycles"], totals["paced_flush_cycles"]) == (1_700, 800)
    assert totals["fifo_sizing_seconds"] >= 0 and totals["fifo_luts"] > 0


def test_wrong_logit_of_the_accelerator(export, stand_in, tmp_path, capsys):
    def flip(logits):
        logits = logits.copy()
        logits[1, 2, 3, 0] += 5
        return logits

    stand_in["logits"] = flip
    for command, more in (("build", []), ("demo", ["--image", str(tmp_path / "image.png")])):
        codes = np.load(export / "golden.npz")["codes"]
        exports.save_image(tmp_path / "image.png", codes[0])
        assert cli.main([*arguments(command, export, tmp_path / command), *more]) == 2
        shown = capsys.readouterr()
        sentence = shown.err.splitlines()[-1]
        assert sentence.startswith(
            "error: step simulate: 1 of 1024 logits differ from the golden ones, first of image "
        )
        assert "at (2, 3)" in sentence
        rung = json.loads((tmp_path / command / "report.json").read_text())["verification"][-1]
        assert (rung["step"], rung["exact"]) == ("simulate", False)
        with np.load(tmp_path / command / "mismatch" / "mismatch_simulate.npz") as saved:
            assert np.count_nonzero(saved["found"] != saved["expected"]) == 1


def test_demo_prints_the_table_and_leaves_the_page(export, stand_in, tmp_path, capsys):
    codes = np.load(export / "golden.npz")["codes"]
    exports.save_image(tmp_path / "benign_007.png", codes[0])
    exports.save_image(tmp_path / "mask.png", np.full((16, 32), 255, np.uint8))
    images = ["--image", str(tmp_path / "benign_007.png"), "--mask", str(tmp_path / "mask.png")]
    assert cli.main([*arguments("demo", export, tmp_path / "out"), *images]) == 0
    shown = capsys.readouterr().out
    for part in ("simulate", "exact", "cycles per frame", "1,000", "IoU of the image", "report.html"):
        assert part in shown
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    foreground = np.load(export / "golden.npz")["logits"][0] > 0
    assert report["image"]["iou"] == pytest.approx(foreground.mean())
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4


def test_deadlock_is_one_line(export, stand_in, tmp_path, capsys, monkeypatch):
    def stand_still(design, codes, **options):
        raise DeadlockError("edgeseg_accelerator: deadlock, no stream moved for 9 cycles; full FIFOs: a -> b", [])

    monkeypatch.setattr(accelerator, "simulate", stand_still)
    assert cli.main(arguments("build", export, tmp_path)) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: edgeseg_accelerator: deadlock")


def test_simulate_at_a_pace_tells_the_latency(export, stand_in, tmp_path, capsys):
    assert cli.main([*arguments("build", export, tmp_path), "--stop-after", "stitch"]) == 0
    folders = ["--export", str(export), "--out", str(tmp_path)]
    assert cli.main(["simulate", *folders, "--frames", "3", "--pace", "1200"]) == 0
    assert stand_in["pace"] == 1200
    assert "out 1,700 cycles after its first pixel came in, 800 after its last" in capsys.readouterr().out


def test_shorter_build_keeps_what_a_demo_measured(export, stand_in, tmp_path):
    exports.save_image(tmp_path / "image.png", np.load(export / "golden.npz")["codes"][0])
    images = ["--image", str(tmp_path / "image.png")]
    assert cli.main([*arguments("demo", export, tmp_path / "out"), *images]) == 0
    before = json.loads((tmp_path / "out" / "report.json").read_text())
    page = (tmp_path / "out" / "report.html").read_text()
    assert cli.main([*arguments("build", export, tmp_path / "out"), "--stop-after", "shell"]) == 0
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == before
    assert (tmp_path / "out" / "report.html").read_text() == page
    other = ["--stop-after", "shell", "--folding", "100000"]
    assert cli.main([*arguments("build", export, tmp_path / "out"), *other]) == 0
    after = json.loads((tmp_path / "out" / "report.json").read_text())
    assert after["totals"]["cycles_per_frame"] is None and after["image"] is None


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--idle", "1", "--idle is a probability and must be at least 0 and below 1, got 1.0"),
        ("--stall", "-0.5", "--stall is a probability"),
        ("--frames", "0", "--frames must be at least 1, got 0"),
        ("--pace", "0", "--pace must be at least 1, got 0"),
        ("--pace", "100000001", "--pace must be at most 100000000 cycles, a frame a second at 100 MHz, got 100000001"),
    ],
)
def test_simulate_refuses(export, tmp_path, capsys, option, value, sentence):
    assert cli.main(["simulate", "--export", str(export), "--out", str(tmp_path), option, value]) == 2
    assert capsys.readouterr().err.startswith(f"error: {sentence}")


def test_simulate_before_build(export, tmp_path, capsys):
    assert cli.main(["simulate", "--export", str(export), "--out", str(tmp_path)]) == 2
    assert "holds no build; give the --out of one" in capsys.readouterr().err


def test_report_before_build(tmp_path, capsys):
    assert cli.main(["report", "--out", str(tmp_path)]) == 2
    assert "run the build first" in capsys.readouterr().err
