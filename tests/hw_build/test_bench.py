"""The bench: lowering and foldings of an export, what builds measured, and the figures of all stages in one file."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import exports
import synthetic

from hw_build.cli import main as cli


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    model = synthetic.unet(16, 16, levels=1, dims=(2, 4))
    return exports.write_export(tmp_path_factory.mktemp("export"), model, height=16, width=16)


@pytest.fixture(scope="module")
def folding(tmp_path_factory):
    path = tmp_path_factory.mktemp("folding") / "fast.toml"
    path.write_text("frames_per_second = 10000\n")
    return str(path)


def bench(export, folding, out, builds=None):
    options = ["--export", str(export), "--foldings", folding, "--out", str(out)]
    return cli.main(["bench", *options, *(["--builds", str(builds)] if builds else [])])


def test_lowering_foldings_and_builds(export, folding, tmp_path, capsys):
    build = tmp_path / "builds" / "small"
    (tmp_path / "builds" / "old").mkdir(parents=True)
    (tmp_path / "builds" / "old" / "report.json").write_text("{}")
    options = ["--export", str(export), "--board", "pynq-z2", "--out", str(build), "--folding", folding]
    assert cli.main(["build", *options, "--stop-after", "stitch"]) == 0
    report = json.loads((build / "report.json").read_text())
    assert bench(export, folding, tmp_path / "new" / "hw_build.json", tmp_path / "builds") == 0
    assert "left out: " in capsys.readouterr().out
    result = json.loads((tmp_path / "new" / "hw_build.json").read_text())
    assert (result["network"], result["size"], result["board"]) == ("synthetic", [16, 16], "pynq-z2")
    steps = ("convert", "streamline", "lower", "hardware", "specialize")
    assert result["lowering_seconds"]["all"] == pytest.approx(sum(result["lowering_seconds"][step] for step in steps))
    folded, account = result["foldings"][folding], report["folding"]
    assert folded["cycles_per_frame"] == account["cycles_per_frame"] <= 10_000
    assert folded["fps_at_100mhz"] == 100e6 / folded["cycles_per_frame"]
    assert (folded["luts"], folded["dsps"], folded["latency_cycles"]) == (
        *(account["luts"], account["dsps"]),
        account["latency_cycles"],
    )
    assert list(result["builds"]) == ["small"]
    of_build = result["builds"]["small"]
    assert of_build["nodes_modelled"]["luts"] == sum(node["expected_luts"] for node in report["nodes"])
    assert of_build["fifo_luts"] == report["totals"]["fifo_luts"] and "cycles_per_frame" not in of_build


def test_merged_file_and_tables(tmp_path, capsys):
    build = {"network": "n", "exact": True, "cycles_per_frame": 1_572_864, "simulated_khz": 44.0}
    of_hw = {
        "network": "n", "bits": "w4a4", "size": [16, 16], "board": "pynq-z2", "lowering_seconds": {"all": 1.5},
        "foldings": {"fast": {"cycles_per_frame": 9_000, "luts": 700, "seconds": 0.25}}, "builds": {"demo": build},
    }  # fmt: skip
    stages = {"quant": {"ratio": 0.5432, "network": "n"}, "hw_build": of_hw}
    for stage, figures in stages.items():
        (tmp_path / f"{stage}.json").write_text(json.dumps(figures))
    files = [str(tmp_path / f"{stage}.json") for stage in stages]
    assert cli.main(["bench-merge", *files, "--out", str(tmp_path / "bench.json")]) == 0
    merged = json.loads((tmp_path / "bench.json").read_text())
    assert merged.pop("machine")["cores"] >= 1 and merged == stages
    shown = capsys.readouterr().out
    for expected in ("ratio", "0.5432", "seconds: all 1.5", "9,000", "700", "1,572,864", "44", "yes"):
        assert expected in shown


def test_mistakes_are_one_line(export, tmp_path, capsys):
    assert bench(export, "default", tmp_path / "x.json") == 2
    assert "--foldings takes those with a rate or limits, not 'default'" in capsys.readouterr().err
    assert cli.main(["bench-merge", str(tmp_path / "none.json"), "--out", str(tmp_path / "x.json")]) == 2
    assert "none.json' cannot be read" in capsys.readouterr().err
    (tmp_path / "list.json").write_text("[]")
    assert cli.main(["bench-merge", str(tmp_path / "list.json"), "--out", str(tmp_path / "x.json")]) == 2
    assert "list.json' are not a JSON object; run that stage's bench again" in capsys.readouterr().err
    assert not (tmp_path / "x.json").exists()
