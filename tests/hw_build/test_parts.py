"""FINN's nodes are generated for the part that was asked for: an UltraScale has other multipliers than a 7-series."""

import numpy as np
import pytest

from hw_build.base.board_config import load_board
from hw_build.simulate.accelerator import simulate
from hw_build.stitch import stitch
from tests.hw_build.hw_graphs import GraphBuilder
from tests.hw_build.test_stitch import frames

DSP48E1, DSP48E2 = "1", "2"  # of FINN's parameter VERSION


@pytest.mark.parametrize(("board", "version"), [("pynq-z2", DSP48E1), ("zcu104", DSP48E2), ("kv260", DSP48E2)])
def test_multipliers_are_those_of_the_part(tmp_path, board, version):
    graph = GraphBuilder(16, 16)
    design = stitch(graph.model(graph.dense("global_in", 1, simd=3)), tmp_path, fpgapart=load_board(board).part)
    assert [node.parameters["VERSION"] for node in design.nodes if node.op_type == "MVAU_rtl"] == [version]


@pytest.mark.slow
def test_an_accelerator_of_dsp48e2_is_exact(tmp_path):
    graph = GraphBuilder(16, 16)
    x = graph.threshold(graph.dense("global_in", 4, kernel=3, simd=3, pe=2, swg_simd=3), pe=2)
    model = graph.model(graph.dense(x, 1, simd=2))
    codes, logits = frames(model, 2, seed=3)
    design = stitch(model, tmp_path, fpgapart=load_board("zcu104").part)
    np.testing.assert_array_equal(simulate(design, codes).logits, logits)
