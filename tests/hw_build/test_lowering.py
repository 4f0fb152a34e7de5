"""The five lowering steps on whole networks: every step exact, and the last graph what the contract says it is."""

import copy

import numpy as np
import pytest

from hw_build.base.errors import BuildError, ConfigError, MismatchError
from hw_build.graph.editor import GraphEditor, attribute
from hw_build.lowering import STEPS, execute_codes, lowering_steps, set_input_size, verify
from tests.hw_build import synthetic

OURS = {
    *("ConvThreshold_rtl", "DepthwiseConv_rtl", "MaxPool2x2_rtl", "BilinearThreshold2x_rtl", "StreamAddThreshold_rtl"),
    "StreamFork_rtl",
}


def random_codes(height, width, *, seed=0, count=1, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def lowered(model):
    for step in STEPS:
        model = step.run(model)
    return model


def steps_verified(model, codes, tmp_path):
    """Lower step by step, each verified; returns the number of tensors compared and the last model."""
    compared = 0
    for step in STEPS:
        after = step.run(copy.deepcopy(model))
        compared += verify(model, after, codes, tmp_path, step.name)
        model = after
    return compared, model


@pytest.fixture(scope="module")
def unet_hardware():
    return lowered(synthetic.unet(32, 48))


@pytest.mark.parametrize(
    ("height", "width", "seed", "options"),
    [
        (32, 48, 0, {}),
        (8, 20, 1, {"dims": (5, 7), "levels": 1}),
        (4, 8, 4, {"dims": (3, 4, 5)}),
        (24, 16, 2, {"levels": 1, "weight_bits": 3, "act_bits": 3}),
        (8, 12, 3, {"levels": 1, "dims": (3, 4), "weight_bits": 8, "act_bits": 8}),
    ],
)
def test_every_step_is_exact(height, width, seed, options, tmp_path):
    model = synthetic.unet(height, width, seed=seed, **options)
    codes = random_codes(height, width, seed=seed)
    compared, last = steps_verified(model, codes, tmp_path)
    assert compared > 80, f"seed {seed}"
    logits = execute_codes(last, codes)
    assert logits.shape == (1, height, width, 1)
    assert np.unique(logits).size > 5, "a constant output proves nothing"
    np.testing.assert_array_equal(logits, execute_codes(model, codes))


def test_last_graph_holds_rtl_kernels_and_integers_alone(unet_hardware):
    graph = GraphEditor(unet_hardware)
    operators = {node.op_type for node in graph.nodes}
    assert operators == OURS
    assert all(graph.is_integer(name) for name in graph.shapes)
    assert graph.inputs == ["global_in"]
    assert graph.outputs == ["global_out"]
    assert graph.shapes["global_in"] == (1, 32, 48, 3)
    assert graph.shapes["global_out"] == (1, 32, 48, 1)
    assert graph.datatypes["global_in"].name == "UINT8"


def test_each_stream_has_one_reader(unet_hardware):
    graph = GraphEditor(unet_hardware)
    for name in graph.shapes:
        assert len(graph.consumers(name)) == (0 if name in graph.outputs else 1), name


def test_residual_depthwise_is_one_node(unet_hardware):
    graph = GraphEditor(unet_hardware)
    kernels = graph.of_type("DepthwiseConv_rtl")
    assert len(kernels) == 6
    assert all(attribute(node, "Residual") == 1 and len(node.input) == 4 for node in kernels)
    assert len(graph.of_type("StreamAddThreshold_rtl")) == 2  # the two skips


def test_thresholds_are_integers_that_their_type_holds(unet_hardware):
    graph = GraphEditor(unet_hardware)
    nodes = [(node, 2) for node in graph.of_type("ConvThreshold_rtl") if not attribute(node, "Raw")]
    nodes += [(node, 1) for node in graph.of_type("Threshold_rtl")]
    assert len(nodes) > 10
    for node, position in nodes:
        values, datatype = graph.constants[node.input[position]], graph.datatypes[node.input[position]]
        assert np.array_equal(values, np.round(values))
        assert np.all(np.diff(values, axis=1) >= 0)
        assert datatype.min() <= values.min()
        assert values.max() <= datatype.max()


def test_accumulators_hold_their_extremes_and_no_bit_more(unet_hardware):
    graph = GraphEditor(unet_hardware)
    nodes = graph.of_type("ConvThreshold_rtl")
    assert len(nodes) > 10
    for node in nodes:
        weights = graph.constants[node.input[1]].astype(np.int64)  # (O, K, K, C)
        activation = graph.datatypes[node.input[0]]
        high = int(np.clip(weights, 0, None).sum(axis=(1, 2, 3)).max() * activation.max())
        low = int(np.clip(weights, None, 0).sum(axis=(1, 2, 3)).min() * activation.max())
        needed = max(high.bit_length(), (-low - 1).bit_length()) + 1
        assert attribute(node, "accDataType") == f"INT{needed}", node.name


def test_specialized_nodes_tell_where_they_come_from(unet_hardware):
    graph = GraphEditor(unet_hardware)
    origin = graph.metadata("edgeseg_node_origin")
    assert set(origin) == {node.name for node in graph.nodes}
    assert origin["ConvThreshold_rtl_0"] == "n_stem_conv"


@pytest.mark.parametrize("last_step", range(len(STEPS) + 1))
def test_any_form_takes_another_size(last_step, tmp_path):
    model = synthetic.unet(16, 16, levels=1)
    small = synthetic.unet(24, 8, levels=1)
    for step in STEPS[:last_step]:
        model = step.run(model)
    codes = random_codes(24, 8)
    np.testing.assert_array_equal(execute_codes(set_input_size(model, 24, 8), codes), execute_codes(small, codes))


def test_size_that_does_not_halve_is_refused():
    with pytest.raises(ConfigError, match=r"n_skip0_sum \(Add\) would join images of 18x14 and 18x15; give"):
        set_input_size(synthetic.unet(16, 16, levels=1), 18, 15)


def test_codes_of_another_size_are_refused():
    with pytest.raises(BuildError, match=r"input of shape \(1, 3, 16, 16\), the image .*\(1, 3, 16, 24\)"):
        execute_codes(synthetic.unet(16, 16, levels=1), random_codes(16, 24))


def test_codes_that_are_not_bytes_are_refused():
    with pytest.raises(BuildError, match="codes are float32 of shape"):
        execute_codes(synthetic.unet(16, 16, levels=1), np.zeros((1, 16, 16, 3), np.float32))


def test_a_difference_names_the_first_tensor_and_saves_both(tmp_path):
    model = synthetic.unet(16, 16, levels=1)
    codes = random_codes(16, 16)
    for step in STEPS[:2]:
        model = step.run(model)
    broken = copy.deepcopy(model)
    graph = GraphEditor(broken)
    first = next(node for node in graph.nodes if node.name == "n_enc0_wide_act")
    graph.constants[first.input[1]] = graph.constants[first.input[1]] + 3
    graph.commit()
    with pytest.raises(
        MismatchError, match=r"step streamline: tensor enc0_wide_act_codes of frame 0 differs in \d+ of"
    ):
        verify(model, broken, codes, tmp_path, "streamline")
    saved = np.load(tmp_path / "mismatch_streamline.npz")
    assert saved["before"].shape == saved["after"].shape == (1, 16, 16, 16)
    assert np.any(saved["before"] != saved["after"])
    assert str(saved["tensor"]) == "enc0_wide_act_codes"


def test_steps_for_a_part_have_the_contract_names():
    assert [step.name for step in lowering_steps("xc7z010clg400-1")] == [
        "convert", "streamline", "lower", "hardware", "specialize"
    ]  # fmt: skip


@pytest.mark.slow
def test_network_of_the_demo_size_lowers_and_stays_exact(tmp_path):
    model = set_input_size(synthetic.xxs(), 48, 32)
    compared, last = steps_verified(model, random_codes(48, 32), tmp_path)
    counts = {kind: sum(node.op_type == kind for node in last.graph.node) for kind in OURS}
    assert counts["ConvThreshold_rtl"] == 39
    assert counts["DepthwiseConv_rtl"] == 16
    assert compared > 400
