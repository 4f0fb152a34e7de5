"""Stock FINN on the same lowered network: its nodes for every layer, its estimates, and the command that shows them."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import exports

from hw_build.cli import main as cli


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    export = exports.write_export(tmp_path_factory.mktemp("export"))
    out = tmp_path_factory.mktemp("build")
    arguments = ["build", "--export", str(export), "--board", "pynq-z2", "--out", str(out), "--folding", "40000"]
    assert cli.main([*arguments, "--stop-after", "folding"]) == 0
    return out


def test_every_layer_but_bilinear_has_a_stock_node_within_the_target(build, capsys):
    assert cli.main(["baseline", "--out", str(build), "--json"]) == 0
    baseline = json.loads(capsys.readouterr().out)
    counts = {kind: figures["count"] for kind, figures in baseline["nodes"].items()}
    assert counts["VVAU_hls"] == 4 and counts["MVAU_rtl"] == 12  # four depthwise layers; the others and the head
    assert counts["FMPadding_rtl"] == 9
    assert counts["ConvolutionInputGenerator_rtl"] == 9 + 1  # one for each KxK layer, one for pooling
    assert baseline["not_in_finn"] == ["Resize"]
    assert 0 < baseline["cycles_per_frame"] <= baseline["target_cycles"] <= 40_000
    for name in ("luts", "dsps", "bram18"):
        assert baseline[name] == sum(figures[name] for figures in baseline["nodes"].values()) > 0
    report = json.loads((build / "report.json").read_text())
    assert report["baseline"] == baseline
    page = (build / "report.html").read_text()
    assert "Beside stock FINN" in page and "FINN has no node for Resize" in page


def test_table_names_estimates_as_such(build, capsys):
    assert cli.main(["baseline", "--out", str(build)]) == 0
    shown = capsys.readouterr().out
    assert "its own estimates" in shown and "FINN has no node for Resize" in shown


def test_hls_accelerator_by_finns_estimates(build, capsys):
    assert cli.main(["baseline", "--out", str(build), "--backend", "hls", "--json"]) == 0
    baseline = json.loads(capsys.readouterr().out)
    kinds = set(baseline["nodes"])
    assert {kind for kind in kinds if kind.endswith("_rtl")} == {"ConvolutionInputGenerator_rtl"}
    assert (baseline["backend"], baseline["not_in_finn"]) == ("hls", [])
    assert 0 < baseline["cycles_per_frame"] <= baseline["target_cycles"] <= 40_000
    assert cli.main(["baseline", "--out", str(build), "--backend", "hls"]) == 0
    assert "HLS: FINN's figures are its own estimates" in capsys.readouterr().out


def test_baseline_before_build(tmp_path, capsys):
    assert cli.main(["baseline", "--out", str(tmp_path)]) == 2
    assert "run the build first" in capsys.readouterr().err
