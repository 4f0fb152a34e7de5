"""FINN's nodes are generated for the part that was asked for: an UltraScale has other multipliers than a 7-series."""

import json

import numpy as np
import pytest

from hw_build.base.board_config import load_board
from hw_build.cli import main as cli
from hw_build.simulate.accelerator import simulate
from hw_build.stitch import stitch
from tests.hw_build import exports, synthetic
from tests.hw_build.hw_graphs import GraphBuilder
from tests.hw_build.test_stitch import frames

DSP48E1, DSP48E2 = "1", "2"  # of FINN's parameter VERSION


@pytest.mark.parametrize(("board", "version"), [("pynq-z2", DSP48E1), ("zcu104", DSP48E2), ("kv260", DSP48E2)])
def test_multipliers_are_those_of_the_part(tmp_path, board, version):
    graph = GraphBuilder(16, 16)
    design = stitch(graph.model(graph.dense("global_in", 1, simd=3)), tmp_path, fpgapart=load_board(board).part)
    assert [node.parameters["VERSION"] for node in design.nodes if node.op_type == "MVAU_rtl"] == [version]


def test_a_build_for_an_ultrascale_asks_for_its_multipliers(tmp_path):
    net = synthetic.Net(seed=5)
    signed = net.conv_bn(net.conv_bn(net.image(), 4, 3, "stem", bits=8), 4, 1, "signed", relu=False)
    export = exports.write_export(tmp_path / "export", net.model(net.head(net.conv_bn(signed, 4, 1, "more")), 16, 16),
                                  height=16, width=16)  # fmt: skip
    arguments = ["build", "--export", str(export), "--board", "zcu104", "--out", str(tmp_path / "out")]
    assert cli.main([*arguments, "--stop-after", "stitch"]) == 0
    nodes = json.loads((tmp_path / "out" / "design.json").read_text())["nodes"]
    assert {node["parameters"]["VERSION"] for node in nodes if node["op_type"] == "MVAU_rtl"} == {DSP48E2}


@pytest.mark.slow
def test_an_accelerator_of_dsp48e2_is_exact(tmp_path):
    graph = GraphBuilder(16, 16)
    x = graph.threshold(graph.dense("global_in", 4, kernel=3, simd=3, pe=2, swg_simd=3), pe=2)
    model = graph.model(graph.dense(x, 1, simd=2))
    codes, logits = frames(model, 2, seed=3)
    design = stitch(model, tmp_path, fpgapart=load_board("zcu104").part)
    np.testing.assert_array_equal(simulate(design, codes).logits, logits)
