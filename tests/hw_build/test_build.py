"""``python -m hw_build build`` on a small network: the ladder, what is redone, and each refusal as one line."""

import errno
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from qonnx.core.modelwrapper import ModelWrapper

sys.path.insert(0, str(Path(__file__).parent))
import exports

from hw_build import lowering
from hw_build.base.step_engine import Pipeline, hash_file
from hw_build.cli import main as cli
from hw_build.lowering.intake import load_graph

GRAPH_STEPS = ["import", "convert", "streamline", "lower", "hardware", "specialize", "folding"]


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    return exports.write_export(tmp_path_factory.mktemp("export"))


@pytest.fixture
def own_export(export, tmp_path):
    """A copy that a test may spoil."""
    for path in export.iterdir():
        (tmp_path / "export").mkdir(exist_ok=True)
        (tmp_path / "export" / path.name).write_bytes(path.read_bytes())
    return tmp_path / "export"


def replace_model(export, content):
    """Puts another model into an export, its hash into the golden data."""
    (export / "model.qonnx").write_bytes(content)
    exports.change_golden(export, model_sha256=lambda old: np.array(hash_file(export / "model.qonnx")))


def run(capsys, export, out, *more, board="pynq-z2"):
    """Runs the command line; returns its status and the lines of stderr."""
    status = cli.main(["build", "--export", str(export), "--board", board, "--out", str(out), *more])
    return status, capsys.readouterr().err.splitlines()


def refused(capsys, *arguments, **named):
    """The single line of a refusal."""
    status, lines = run(capsys, *arguments, **named)
    assert status == 2
    assert [line for line in lines if line.startswith("error: ")] == lines[-1:]
    assert "Traceback" not in "".join(lines)
    return lines[-1]


def test_graph_steps_are_exact_and_not_redone(capsys, export, tmp_path):
    status, lines = run(capsys, export, tmp_path, "--stop-after", "folding")
    assert status == 0
    assert [line.split()[0] for line in lines] == GRAPH_STEPS
    assert all("exact, against" in line for line in lines)
    report = json.loads((tmp_path / "report.json").read_text())
    ladder = [(line["step"], line["exact"]) for line in report["verification"]]
    assert ladder == [(name, True) for name in (*GRAPH_STEPS, "folding")]  # the last one against the golden logits too
    assert {node["origin"] for node in report["nodes"]} == {"edgeseg"}
    assert max(node["expected_cycles"] for node in report["nodes"]) <= 32 * 16 * 32
    status, lines = run(capsys, export, tmp_path, "--stop-after", "folding")
    assert status == 0 and all("unchanged" in line for line in lines)
    assert json.loads((tmp_path / "report.json").read_text()) == report


def test_wrong_golden_logit_stops_the_build_and_saves_both_sides(capsys, own_export, tmp_path):
    def spoil(logits):
        logits[0, 3, 5, 0] += 1
        return logits

    exports.change_golden(own_export, logits=spoil)
    line = refused(capsys, own_export, tmp_path / "out")
    assert "step import: 1 of 512 logits differ from the golden ones, first of image benign_007 at (3, 5):" in line
    with np.load(tmp_path / "out" / "mismatch" / "mismatch_import.npz") as saved:
        assert np.count_nonzero(saved["found"] != saved["expected"]) == 1
    rung = json.loads((tmp_path / "out" / "report.json").read_text())["verification"][-1]
    assert (rung["step"], rung["exact"]) == ("import", False)
    assert "first of image benign_007 at (3, 5)" in rung["first_difference"]


def test_truncated_golden_file(capsys, own_export, tmp_path):
    content = (own_export / "golden.npz").read_bytes()
    (own_export / "golden.npz").write_bytes(content[: len(content) // 2])
    assert "golden.npz' is corrupt or not one" in refused(capsys, own_export, tmp_path / "out")


def test_golden_file_of_another_model(capsys, own_export, tmp_path):
    with (own_export / "model.qonnx").open("ab") as model:
        model.write(b"\x00")
    assert "was made from another model" in refused(capsys, own_export, tmp_path / "out")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"not a graph at all", "is not an ONNX file"), (b"", "holds no network"), (b"\x08\x07", "holds no network")],
)
def test_model_that_is_no_onnx_file(capsys, own_export, tmp_path, content, sentence):
    replace_model(own_export, content)
    assert f"model.qonnx {sentence}" in refused(capsys, own_export, tmp_path / "out")


def test_missing_export(capsys, tmp_path):
    assert "has no model.qonnx; write it with" in refused(capsys, tmp_path / "none", tmp_path / "out")


def test_unknown_board(capsys, export, tmp_path):
    line = refused(capsys, export, tmp_path, board="vek280")
    assert "unknown board 'vek280'; known boards: kv260, pynq-z1, pynq-z2, zcu104, zybo-z7-20" in line


def test_unknown_step(capsys, export, tmp_path):
    line = refused(capsys, export, tmp_path, "--stop-after", "place")
    assert "unknown step 'place'; the steps are: import, convert" in line


def test_folding_that_does_not_divide(capsys, export, tmp_path):
    (tmp_path / "own.toml").write_text("cycles_per_pixel = 32\n[DepthwiseConv_rtl_0]\nPE = 3\n")
    line = refused(capsys, export, tmp_path, "--folding", str(tmp_path / "own.toml"))
    assert "DepthwiseConv_rtl_0: PE=3 does not divide NumChannels=4; choose one of 1, 2, 4" in line


def test_folding_that_no_kernel_reaches(capsys, export, tmp_path):
    line = refused(capsys, export, tmp_path, "--folding", "10")
    assert "cycles a frame even fully unfolded" in line


def test_more_frames_than_golden_images(capsys, export, tmp_path):
    assert "--frames must be 1 to 2, the number of golden images, got 9" in refused(
        capsys, export, tmp_path, "--frames", "9"
    )


def test_build_directory_below_a_file(capsys, export, tmp_path):
    (tmp_path / "file").touch()
    line = refused(capsys, export, tmp_path / "file" / "out")
    assert "cannot be written (Not a directory); give another one" in line


def test_full_disk(capsys, export, tmp_path, monkeypatch):
    def full(self, path):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(ModelWrapper, "save", full)
    line = refused(capsys, export, tmp_path / "out")
    assert "the disk is full at " in line and "free space or give another --out" in line
    assert list((tmp_path / "out" / "steps").iterdir()) == []


def test_interruption(capsys, export, tmp_path, monkeypatch):
    def interrupt(self, **steps):
        raise KeyboardInterrupt

    monkeypatch.setattr(Pipeline, "run", interrupt)
    status, lines = run(capsys, export, tmp_path / "out")
    assert status == 130
    assert lines == ["interrupted; the same command continues after the last finished step"]


def test_operator_that_no_kernel_serves(capsys, own_export, tmp_path):
    model = load_graph(own_export / "model.qonnx")
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    gate = helper.make_node("LogSoftmax", list(relu.input), list(relu.output), name="gate")
    model.graph.node.insert(list(model.graph.node).index(relu), gate)
    model.graph.node.remove(relu)
    replace_model(own_export, model.model.SerializeToString())
    line = refused(capsys, own_export, tmp_path / "out")
    assert line.startswith("error: node gate (LogSoftmax)")


def test_later_form_uses_its_own_scales(export):
    model = load_graph(export / "model.qonnx")
    codes = exports.real_codes(["benign_184"], 16, 32)
    expected = lowering.execute_codes(model, codes)  # leaves the exported network's scales in its metadata
    for step in lowering.STEPS:
        model = step.run(model)
        assert np.array_equal(lowering.execute_codes(model, codes), expected), step.name


def test_check_shows_a_kernel_for_every_node(capsys, export):
    assert cli.main(["check", str(export / "model.qonnx"), "--json"]) == 0
    verdicts = json.loads(capsys.readouterr().out)
    assert not [verdict for verdict in verdicts if verdict["reason"]]
    assert cli.main(["check", str(export / "model.qonnx")]) == 0
    assert "DepthwiseConv_rtl" in capsys.readouterr().out


def test_check_says_why_not(capsys, own_export):
    model = load_graph(own_export / "model.qonnx")
    next(node for node in model.graph.node if node.op_type == "MaxPool").op_type = "LpPool"
    model.save(str(own_export / "model.qonnx"))
    assert cli.main(["check", str(own_export / "model.qonnx")]) == 2
    shown = capsys.readouterr().out
    assert "does NOT lower" in shown and "LpPool" in shown


def test_check_of_a_file_that_is_no_model(capsys, tmp_path):
    for content, sentence in (("text", "is not an ONNX file"), (None, "does not exist")):
        path = tmp_path / f"{content}.onnx"
        if content:
            path.write_text(content)
        assert cli.main(["check", str(path)]) == 2
        assert capsys.readouterr().err.splitlines() == [f"error: model {path} {sentence}"]


def test_boards_are_listed(capsys):
    assert cli.main(["boards"]) == 0
    shown = capsys.readouterr().out
    assert "pynq-z2" in shown and "53,200" in shown
    assert cli.main(["boards", "--json"]) == 0
    names = [board["name"] for board in json.loads(capsys.readouterr().out)]
    assert names == ["kv260", "pynq-z1", "pynq-z2", "zcu104", "zybo-z7-20"]
