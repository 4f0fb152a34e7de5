"""Folding: cheapest legal PE and SIMD for a target, users' foldings, and the sentences of both."""

import copy
import itertools

import numpy as np
import pytest
from qonnx.custom_op.registry import getCustomOp

from hw_build.base.errors import ConfigError
from hw_build.finn_rtl.hardware_node import hardware_node
from hw_build.folding.cheapest import cheapest_folding, expected_cycles, fold
from hw_build.folding.legal import apply_folding, folding_choices, folding_limits, foldings
from hw_build.graph.editor import GraphEditor, attribute
from hw_build.lowering import STEPS, execute_codes
from tests.hw_build import synthetic
from tests.rtl.test_conv import conv_model


def cost(node, folding):
    return hardware_node(node).folding_cost(folding)


@pytest.fixture(scope="module")
def lowered():
    """Of every kind of node: a strided convolution's window is FINN's."""
    net = synthetic.Net()
    skip = net.conv_bn(net.image(), 5, 3, "stem", bits=8)
    low = synthetic.block(net, net.conv_bn(skip, 10, 3, "low", strides=(2, 2)), 3, "enc")
    up = net.conv_bn(net.upsample(low, "up"), 5, 3, "dec", scale=net.scales[skip])
    model = net.model(net.head(net.add(up, skip, 2.0**-1, name="sum", relu=True)), 32, 48)
    for step in STEPS:
        model = step.run(model)
    return model


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
    for node in copy.deepcopy(lowered).graph.node:
        operation = getCustomOp(node)
        chosen = cost(node, cheapest_folding(node, target, []))
        for other in foldings(node):
            apply_folding(operation, other)
            assert operation.get_exp_cycles() > target or cost(node, other) >= chosen, (node.name, other)


def test_tighter_targets_cost_more_products(lowered):
    def products(model):
        nodes = [node for node in model.graph.node if node.op_type == "ConvThreshold_rtl"]
        keys = [(*folding_limits(node), *folding_choices(node)) for node in nodes]
        return sum(
            cost(node, {key: attribute(node, key) for key in of})[1] for node, of in zip(nodes, keys, strict=True)
        )

    counts = [products(fold(copy.deepcopy(lowered), target)) for target in (400_000, 70_000, 20_000)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_parallel_window_where_the_kernel_alone_is_too_slow(lowered):
    for target, parallel in ((10_000, 0), (3_000, 1)):
        folded = fold(copy.deepcopy(lowered), target)
        [window] = [node for node in folded.graph.node if node.op_type == "ConvolutionInputGenerator_rtl"]
        assert attribute(window, "parallel_window") == parallel
    assert attribute(window, "SIMD") == attribute(window, "IFMChannels") == 5


def test_folding_changes_no_value(lowered):
    codes = np.random.default_rng(2).integers(0, 256, (1, 32, 48, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        execute_codes(fold(copy.deepcopy(lowered), 20_000), codes), execute_codes(lowered, codes)
    )


def test_user_s_folding_is_taken_as_it_is(lowered):
    folded = fold(copy.deepcopy(lowered), 400_000, {"ConvThreshold_rtl_1": {"PE": 5, "SIMD": 5}})
    node = next(node for node in folded.graph.node if node.name == "ConvThreshold_rtl_1")
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


def test_target_that_no_folding_reaches(lowered):
    with pytest.raises(ConfigError, match=r"node \w+_rtl_\d+ takes [\d,]+ cycles a frame even fully unfolded \("):
        fold(copy.deepcopy(lowered), 500)


def test_target_that_is_none(lowered):
    with pytest.raises(ConfigError, match="target of 0 cycles per frame: at least 1"):
        fold(copy.deepcopy(lowered), 0)


@pytest.mark.parametrize(
    ("folding", "sentence"),
    [
        (
            {"ConvThreshold_rtl_1": {"PE": 3}},
            r"of ConvThreshold_rtl_1: PE=3 does not divide OutChannels=10; choose one of 1, 2, 5, 10",
        ),
        ({"ConvThreshold_rtl_1": {"PE": 0}}, "PE=0 does not divide OutChannels=10"),
        ({"ConvThreshold_rtl_1": {"PE": 2.0}}, r"PE=2.0 is not an integer"),
        (
            {"ConvThreshold_rtl_1": {"pe": 2}},
            r"pe is unknown for ConvThreshold_rtl, known: \['Multiplier', 'PE', 'SIMD', 'Window', 'ram_style', 'w",
        ),
        (
            {"DepthwiseConv_rtl_0": {"SIMD": 2}},
            r"SIMD=2 does not divide KernelDim \* KernelDim=9; choose",
        ),
        (
            {"ConvThreshold_rtl_1": {"weight_style": "block"}},
            "would leave most of the block RAM empty: choose a smaller PE",
        ),
        (
            {"ConvThreshold_rtl_1": {"weight_style": "block", "Multiplier": "lut"}},
            "weight_style=block needs Multiplier=dsp",
        ),
        ({"ConvolutionInputGenerator_rtl_0": {"parallel_window": 1, "SIMD": 1}}, "parallel_window=1 needs SIMD=5"),
        ({"ConvolutionInputGenerator_rtl_0": {"parallel_window": 2}}, "parallel_window=2 is not 0 or 1"),
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
