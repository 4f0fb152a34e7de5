"""Folding: cheapest legal PE and SIMD for a target, users' foldings, and the sentences of both."""

import copy
import itertools

import numpy as np
import pytest
from qonnx.custom_op.registry import getCustomOp

from hw_build.base.errors import ConfigError
from hw_build.finn_rtl.hardware_node import hardware_node
from hw_build.finn_rtl.matrix_vector import dsp_lanes
from hw_build.folding.cheapest import expected_cycles, fold
from hw_build.folding.legal import folding_limits, foldings
from hw_build.graph.editor import GraphEditor, attribute
from hw_build.lowering import execute_codes
from tests.hw_build import synthetic
from tests.hw_build.finn_nodes import lowered_to_finn
from tests.rtl.test_conv import conv_model


def cost(node, folding):
    return hardware_node(node).folding_cost(folding)


@pytest.fixture(scope="module")
def lowered():
    return lowered_to_finn(synthetic.unet(32, 48, dims=(5, 10, 12)))


@pytest.mark.parametrize("target", [400_000, 70_000, 20_000])
def test_every_node_meets_the_target_with_legal_values(lowered, target):
    folded = fold(copy.deepcopy(lowered), target)
    cycles = expected_cycles(folded)
    assert set(cycles) == {node.name for node in folded.graph.node}
    assert 0 < max(cycles.values()) <= target
    for node in folded.graph.node:
        for key, (_, whole) in folding_limits(node).items():
            assert whole % attribute(node, key) == 0, node.name
        assert cycles[node.name] == getCustomOp(node).get_exp_cycles()


def test_no_legal_folding_within_the_target_is_cheaper(lowered):
    target = 70_000
    for node in fold(copy.deepcopy(lowered), target).graph.node:
        operation = getCustomOp(node)
        keys = [*folding_limits(node), *(["parallel_window"] if node.op_type.startswith("Convolution") else [])]
        chosen = cost(node, {key: operation.get_nodeattr(key) for key in keys})[0]
        for other in foldings(node):
            for key, value in other.items():
                operation.set_nodeattr(key, value)
            assert operation.get_exp_cycles() > target or cost(node, other)[0] >= chosen, (node.name, other)


def test_tighter_targets_cost_more_multipliers(lowered):
    def dsps(model):
        nodes = [node for node in model.graph.node if node.op_type == "MVAU_rtl"]
        return sum(cost(node, {key: attribute(node, key) for key in ("PE", "SIMD")})[0] for node in nodes)

    counts = [dsps(fold(copy.deepcopy(lowered), target)) for target in (400_000, 70_000, 20_000)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_parallel_window_where_the_kernel_alone_is_too_slow(lowered):
    folded = fold(copy.deepcopy(lowered), 10_000)
    windows = [node for node in folded.graph.node if node.op_type == "ConvolutionInputGenerator_rtl"]
    parallel = [node for node in windows if attribute(node, "parallel_window")]
    assert parallel
    assert all(attribute(node, "SIMD") == attribute(node, "IFMChannels") for node in parallel)


def test_folding_changes_no_value(lowered):
    codes = np.random.default_rng(2).integers(0, 256, (1, 32, 48, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        execute_codes(fold(copy.deepcopy(lowered), 20_000), codes), execute_codes(lowered, codes)
    )


def test_user_s_folding_is_taken_as_it_is(lowered):
    folded = fold(copy.deepcopy(lowered), 400_000, {"MVAU_rtl_1": {"PE": 5, "SIMD": 5}})
    node = next(node for node in folded.graph.node if node.name == "MVAU_rtl_1")
    assert (attribute(node, "PE"), attribute(node, "SIMD")) == (5, 5)
    assert attribute(node, "cycles_estimate") == getCustomOp(node).get_exp_cycles()


def test_equally_cheap_foldings_keep_integer_ratios(lowered):
    folded = fold(copy.deepcopy(lowered), 70_000)
    graph = GraphEditor(folded)
    ratios = []
    for node in graph.nodes:
        producer = graph.producer(node.input[0])
        if producer is not None:
            mine, theirs = getCustomOp(node).get_instream_width(0), getCustomOp(producer).get_outstream_width(0)
            ratios.append(max(mine, theirs) % min(mine, theirs) == 0)
    assert np.mean(ratios) > 0.9


@pytest.mark.parametrize(("weight", "activation", "lanes"), [(4, 4, 4), (4, 5, 3), (8, 8, 2), (8, 4, 2), (25, 8, 1)])
def test_lanes_of_a_dsp48e1(weight, activation, lanes):
    assert dsp_lanes(weight, activation) == lanes


def test_target_that_no_folding_reaches(lowered):
    with pytest.raises(ConfigError, match=r"node \w+_rtl_\d+ takes \d+ cycles a frame even fully unfolded \("):
        fold(copy.deepcopy(lowered), 500)


def test_target_that_is_none(lowered):
    with pytest.raises(ConfigError, match="target of 0 cycles per frame: at least 1"):
        fold(copy.deepcopy(lowered), 0)


@pytest.mark.parametrize(
    ("folding", "sentence"),
    [
        (
            {"MVAU_rtl_1": {"PE": 3}},
            r"of MVAU_rtl_1: PE=3 does not divide MH=20; choose one of 1, 2, 4, 5, 10, 20",
        ),
        ({"MVAU_rtl_1": {"PE": 0}}, "PE=0 does not divide MH=20"),
        ({"MVAU_rtl_1": {"PE": 2.0}}, r"PE=2.0 is not an integer"),
        ({"MVAU_rtl_1": {"pe": 2}}, r"pe is unknown for MVAU_rtl, known: \['PE', 'SIMD'\]"),
        (
            {"DepthwiseConv_rtl_0": {"SIMD": 2}},
            r"SIMD=2 does not divide KernelDim \* KernelDim=9; choose",
        ),
        ({"ConvolutionInputGenerator_rtl_1": {"parallel_window": 1, "SIMD": 1}}, "parallel_window=1 needs SIMD=5"),
        ({"ConvolutionInputGenerator_rtl_1": {"parallel_window": 2}}, "parallel_window=2 is not 0 or 1"),
        ({"nobody": {"PE": 1}}, "folding names node nobody, which the graph lacks; it has BilinearThreshold2x_rtl_0,"),
    ],
)
def test_folding_that_is_not_legal(lowered, folding, sentence):
    with pytest.raises(ConfigError, match=sentence):
        fold(copy.deepcopy(lowered), 400_000, folding)


def test_a_convolution_takes_its_taps_at_once_only_where_it_must():
    model = conv_model((8, 8, 4), 4, 3)
    for target, window in ((64 * 9, "serial"), (64 * 4, "parallel")):
        folded = fold(copy.deepcopy(model), target)
        [node] = folded.graph.node
        assert (attribute(node, "Window"), attribute(node, "Multiplier")) == (window, "dsp")
        assert expected_cycles(folded)[node.name] <= target


def test_every_listed_folding_is_distinct(lowered):
    for node in itertools.islice(lowered.graph.node, 10):
        options = [tuple(sorted(option.items())) for option in foldings(node)]
        assert len(options) == len(set(options))
