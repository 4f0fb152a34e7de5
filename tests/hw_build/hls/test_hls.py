"""The HLS back end of a whole network: the golden logits from FINN's nodes, sources of every layer, what is refused."""

import copy
import importlib.util
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from finn.core.onnx_exec import execute_onnx
from finn.util.basic import pynq_part_map
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

sys.path.insert(0, str(Path(__file__).parents[1]))
import exports
import synthetic

from hw_build.backends.hls import graph
from hw_build.backends.hls.finn_build import PLATFORMS, build_config
from hw_build.backends.hls.graph import hls_graph, slowest_layer
from hw_build.backends.stock_finn import abstract_nodes
from hw_build.base.board_config import board_names, load_board
from hw_build.base.errors import LoweringError
from hw_build.base.export import read_export
from hw_build.cli import main as cli
from hw_build.lowering import execute_codes
from hw_build.lowering.intake import load_graph
from hw_build.operators.bilinear import ResizesToKernels
from tests.hw_build.hls_programs import assert_exact_in_hls

PART = "xc7z020clg400-1"


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """(export folder, build directory) of a small network, as far as its shell."""
    folder = tmp_path_factory.mktemp("hls")
    export = exports.write_export(folder / "export")
    options = ["--export", str(export), "--out", str(folder / "build")]
    assert cli.main(["build", *options, "--board", "pynq-z2", "--stop-after", "shell"]) == 0
    return export, folder / "build"


@pytest.fixture(scope="module")
def lowered(build):
    return load_graph(build[1] / "steps" / "lower" / "graph.onnx")


def run(capsys, build_dir):
    status = cli.main(["hls", "--out", str(build_dir)])
    return status, capsys.readouterr()


def test_finns_nodes_give_the_golden_logits_before_hls_is_picked(build, lowered):
    export = read_export(build[0])
    model = abstract_nodes(copy.deepcopy(lowered).transform(ResizesToKernels()))
    codes = export.codes[:1].astype(np.float32)
    given = execute_onnx(model, {model.graph.input[0].name: codes})[model.graph.output[0].name]
    np.testing.assert_array_equal(given, export.logits[:1])


def test_every_layer_has_hls_where_finn_or_we_have_it(lowered):
    before = lowered.model.SerializeToString(deterministic=True)
    model = hls_graph(lowered, PART, 4096)
    assert lowered.model.SerializeToString(deterministic=True) == before
    counts = Counter(node.op_type for node in model.graph.node)
    in_rtl = {kind for kind in counts if kind.endswith("_rtl")}
    assert in_rtl == {"ConvolutionInputGenerator_rtl"}
    assert (counts["MVAU_hls"], counts["VVAU_hls"], counts["BilinearUpsample_hls"]) == (12, 4, 1)
    assert not {kind for kind in counts if not kind.endswith(("_rtl", "_hls"))}


@pytest.mark.parametrize(("target", "pe"), [(10**6, 1), (1536, 2), (1, 6)])
def test_bilinear_is_folded_for_the_target(lowered, target, pe):
    model = hls_graph(lowered, PART, target)
    (node,) = model.get_nodes_by_op_type("BilinearUpsample_hls")
    assert getCustomOp(node).get_nodeattr("PE") == pe  # 16 x 32 pixels of 6 channels out


@pytest.mark.parametrize("target", [2048, 18 * 34 + 2])
def test_every_product_keeps_to_the_cycles_of_the_build(lowered, target):
    model = hls_graph(lowered, PART, target)  # the least: a pixel of the padded image a cycle
    assert slowest_layer(model)[1] <= target
    taps = [getCustomOp(node).get_nodeattr("SIMD") for node in model.get_nodes_by_op_type("VVAU_hls")]
    assert len(taps) == 4 and max(taps) > 1  # taps a beat
    products = [getCustomOp(node) for node in model.get_nodes_by_op_type("MVAU_hls")]
    assert max(op.get_nodeattr("SIMD") * op.get_input_datatype(1).bitwidth() for op in products) > 36
    assert all(op.get_nodeattr("MW") % op.get_nodeattr("SIMD") == 0 for op in products)


def test_no_window_and_no_weights_are_wider_than_vitis_takes(lowered, monkeypatch):
    monkeypatch.setattr(graph, "MAX_ALLOWED_AP_INT_W", 160)
    model = hls_graph(lowered, PART, 614)
    windows = [getCustomOp(node) for node in model.get_nodes_by_op_type("ConvolutionInputGenerator_rtl")]
    assert max(op.get_outstream_width() for op in windows) <= 160
    assert {op.get_nodeattr("parallel_window") for op in windows} == {0, 1}
    with_constants = {
        kind: [getCustomOp(node) for node in model.get_nodes_by_op_type(kind)]
        for kind in ("VVAU_hls", "Thresholding_hls")
    }
    for units in with_constants.values():
        assert max(op.get_instream_width(1) for op in units) <= 160
    thresholds = {op.get_nodeattr("mem_mode") for op in with_constants["Thresholding_hls"]}
    assert thresholds == {"internal_decoupled", "internal_embedded"}


def test_beats_of_ours_are_no_wider_than_vitis_takes(lowered, monkeypatch):
    monkeypatch.setattr(graph, "MAX_ALLOWED_AP_INT_W", 15)  # less than two lanes of 8
    (node,) = hls_graph(lowered, PART, 1).get_nodes_by_op_type("BilinearUpsample_hls")
    assert getCustomOp(node).get_nodeattr("PE") == 1  # of 6 channels


@pytest.mark.slow
def test_thresholds_too_wide_for_a_memory_are_exact_in_cpp(tmp_path):
    net = synthetic.Net(seed=5, act_bits=8)
    stem = net.conv_bn(net.image(), 6, 1, "stem", bits=8, scale=2.0**-6)
    model = net.model(net.head(net.conv_bn(stem, 6, 3, "mid", scale=2.0**-6)), 4, 6)
    codes = np.random.default_rng(2).integers(0, 256, (2, 4, 6, 3), np.uint8)
    layers = assert_exact_in_hls(
        model, codes, execute_codes(model, codes).astype(np.int32), tmp_path, cycles_per_pixel=1
    )
    modes = {getCustomOp(node).get_nodeattr("mem_mode") for node in layers.get_nodes_by_op_type("Thresholding_hls")}
    assert "internal_embedded" in modes


def test_sources_of_every_layer_then_status_3_without_vitis(build, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    status, shown = run(capsys, build[1])
    assert status == 3
    assert re.search(r"error: neither vitis-run nor vitis_hls is on PATH .* are ready in '.*/hls'\n$", shown.err)
    assert re.search(
        r"folded for the build's ([\d,]+) cycles a frame: [\d,]+ by FINN's estimate, in \w+_\d+$", shown.out, re.M
    )
    assert "12 MVAU_hls" in shown.out and "C++ of ours in hls/network: 10 ConvolutionInputGenerator_rtl" in shown.out
    folder = build[1] / "hls"
    model = ModelWrapper(str(folder / "graph.onnx"))
    for node in model.graph.node:
        layer = Path(getCustomOp(node).get_nodeattr("code_gen_dir_ipgen"))
        assert layer == folder.resolve() / node.name
        if node.op_type.endswith("_hls"):
            script = (layer / f"hls_syn_{node.name}.tcl").read_text()
            assert f'config_hwsrcdir "{layer}"' in script and f'config_proj_part "{PART}"' in script
            assert re.search(rf"void\s+{node.name}\s*\(", (layer / f"top_{node.name}.cpp").read_text())
        else:
            assert list(layer.glob("*.sv")) + list(layer.glob("*.v"))
    assert not [path for path in folder.rglob("*.*") if b".partial" in path.read_bytes()]
    assert list(tmp_path.iterdir()) == []  # nothing was left in the user's home


def fake_xilinx_tools(folder, monkeypatch, *names):
    """Fakes that do nothing but fail, alone on PATH beside what FINN's own scripts call."""
    folder.mkdir()
    for name in names:
        (folder / name).write_text(f"#!/bin/sh\necho {name} $* >>{folder}/called\nexit 1\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_finns_build_needs_vivado_and_its_settings_too(build, capsys, monkeypatch, tmp_path):
    fake_xilinx_tools(tmp_path / "fakes", monkeypatch, "vitis-run")
    monkeypatch.delenv("XILINX_VIVADO", raising=False)
    status, shown = run(capsys, build[1])
    assert status == 3
    assert "error: vivado is not on PATH (AMD's Vivado ML Standard); XILINX_VIVADO is not set" in shown.err


def test_failing_layer_of_finns_build_is_named(build, capsys, monkeypatch, tmp_path):
    fake_xilinx_tools(tmp_path / "fakes", monkeypatch, "vitis_hls", "vivado")
    monkeypatch.setenv("XILINX_VIVADO", str(tmp_path / "Vivado" / "2023.2"))
    monkeypatch.setenv("HOME", str(tmp_path / "fakes"))
    status, shown = run(capsys, build[1])
    folder = (build[1] / "hls").resolve()
    assert status == 2
    found = re.search(r"error: FINN's build ended with an error: .*HLS IP Generation failed", shown.err)
    assert found and f"see '{folder}/finn/finn.log'" in shown.err
    called = (tmp_path / "fakes" / "called").read_text()
    scripts = re.findall(r"^vitis_hls (\S+/hls_syn_\w+\.tcl)$", called, re.MULTILINE)
    assert scripts and all(Path(script).is_file() and folder in Path(script).parents for script in scripts)


@pytest.mark.parametrize("board", board_names())
def test_finn_knows_the_board_and_the_steps(board, tmp_path):
    platform, part = PLATFORMS.get(board), load_board(board).part
    assert platform is None or pynq_part_map[platform] == part
    config = build_config(tmp_path, part, platform, 10.0)
    assert config._resolve_fpga_part() == part
    # reading the module itself needs Vivado's simulator
    steps = Path(importlib.util.find_spec("finn.builder.build_dataflow_steps").origin).read_text()
    assert all(f"\ndef {step}(" in steps for step in config.steps)
    assert (config.steps[-1] == "step_synthesize_bitfile") == (platform is not None)


def test_operator_that_finn_lacks_is_named(lowered):
    changed = copy.deepcopy(lowered)
    pool = next(node for node in changed.graph.node if node.op_type == "MaxPoolNHWC")
    pool.op_type, pool.domain = "Softsign", ""
    del pool.attribute[:]
    with pytest.raises(LoweringError, match=r"node \w+ \(Softsign\): FINN's back end has no such node"):
        hls_graph(changed, PART, 4096)


def test_builds_that_are_not_far_enough(build, capsys, tmp_path):
    (tmp_path / "steps").mkdir()
    assert "holds no lowered graph" in run(capsys, tmp_path)[1].err
    shutil.copytree(build[1] / "steps" / "lower", tmp_path / "steps" / "lower")
    status, shown = run(capsys, tmp_path)
    assert status == 2 and "run the stitch step first" in shown.err
