"""A network with 2x2 average pooling from its ONNX form to simulated RTL: every step exact, and each refusal."""

import copy

import numpy as np
import pytest
from qonnx.custom_op.registry import getCustomOp

from hw_build.backends.baseline import finn_baseline
from hw_build.backends.hls.check import check_hls
from hw_build.backends.hls.graph import hls_graph
from hw_build.base.errors import ConfigError, LoweringError
from hw_build.flow.check import check
from hw_build.folding.cheapest import fold
from hw_build.graph.editor import set_attribute
from hw_build.lowering import STEPS, execute_codes, set_input_size, verify
from hw_build.lowering.intake import normalise
from hw_build.stitch import stitch
from tests.hw_build import synthetic
from tests.hw_build.hls_programs import assert_exact_in_hls
from tests.hw_build.stalled_rtl import assert_exact_under_stalls
from tests.hw_build.test_intake import assert_exact
from tests.hw_build.test_intake import network as of_one_layer
from tests.hw_build.test_padding import pad

SIZE = (16, 32)
CODES = np.random.default_rng(8).integers(0, 256, (2, *SIZE, 3), dtype=np.uint8)


def network(*, scale=2.0**-3, **attributes):
    """Two poolings, one of codes that a sum has, an upsampling behind each; the quantizers behind them round ties."""
    net = synthetic.Net(seed=21)
    skip = net.residual_depthwise(net.conv_bn(net.image(), 4, 3, "stem", bits=8), 3, "res")
    current = skip
    for level, more in enumerate((attributes, {})):
        name = f"pool{level}"
        shape = {"kernel_shape": [2, 2], "strides": [2, 2]} | more
        net.node("AveragePool", [current], name, **shape)
        current = net.quant(name, scale * 2**level, name=f"{name}_q")
    low = net.conv_bn(current, 6, 3, "low", scale=2.0**-2)
    up = net.upsample(net.upsample(low, "up1"), "up0", scale=net.scales[skip])
    up = net.conv_bn(up, 4, 3, "up_conv", scale=net.scales[skip])
    return net.model(net.head(net.add(up, skip, 2.0**-1, name="sum")), *SIZE)


def lowered(model, upto="specialize"):
    for step in STEPS:
        model = step.run(model)
        if step.name == upto:
            return model
    raise AssertionError(upto)


def test_every_step_and_the_rtl_are_exact(tmp_path):
    model = network()
    expected = execute_codes(model, CODES)
    assert 0.02 < (expected > 0).mean() < 0.98
    for step in STEPS:
        before, model = model, step.run(copy.deepcopy(model))
        assert verify(before, model, CODES[:1], tmp_path, step.name) > 0
    pools = [getCustomOp(node) for node in model.graph.node if node.op_type == "AveragePool2x2_rtl"]
    assert [pool.get_output_datatype(0).name for pool in pools] == ["UINT6", "UINT6"]
    design = stitch(fold(model, 40_000), tmp_path)
    assert_exact_under_stalls(design, CODES, expected)


def test_check_names_its_kernel(tmp_path):
    network().save(str(tmp_path / "model.onnx"))
    kernels = {verdict.node: verdict.kernel for verdict in check(tmp_path / "model.onnx")}
    assert kernels["n_pool0"] == "AveragePool2x2_rtl"


@pytest.mark.parametrize("form", ["convert", "lower", "specialize"])
def test_another_size(form):
    model = set_input_size(lowered(network(), form), 32, 48)
    codes = np.random.default_rng(3).integers(0, 256, (1, 32, 48, 3), dtype=np.uint8)
    np.testing.assert_array_equal(execute_codes(model, codes), execute_codes(set_input_size(network(), 32, 48), codes))
    with pytest.raises(ConfigError, match=r"would (halve 9x24|join images of 16x48 and 18x48)"):
        set_input_size(model, 18, 48)


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"strides": [1, 2]}, r"has kernel \[2, 2\] and strides \[1, 2\]: 2D windows with equal strides"),
        ({"kernel_shape": [1, 1]}, r"has kernel \[1, 1\]: sides of at most 64, and more than one pixel, lower"),
        ({"dilations": [2, 2]}, r"has dilations \[2, 2\]: only windows without lower"),
        ({"pads": [3, 3, 3, 3], "strides": [1, 1]}, "has windows without any pixel of the image: use less padding"),
    ],
)
def test_other_forms_are_refused(attributes, sentence):
    model = network()
    model.model.opset_import[0].version = 19  # which has dilations
    node = next(node for node in model.graph.node if node.op_type == "AveragePool")
    for name, value in attributes.items():
        set_attribute(node, name, value)
    with pytest.raises(LoweringError, match=rf"node n_pool0 \(AveragePool\) .*{sentence}"):
        lowered(model, "streamline")


@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1},
        {"kernel_shape": [5, 5], "pads": [2, 2, 2, 2], "count_include_pad": 1},
        {"kernel_shape": [2, 3]},
        {"kernel_shape": [4, 4], "strides": [4, 4], "ceil_mode": 1},
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
    ],
)
@pytest.mark.parametrize("signed", [False, True])
def test_other_windows(attributes, signed):
    model = averaged(signed=signed, **attributes)
    assert "WindowSum_rtl" in {node.op_type for node in lowered(normalise(copy.deepcopy(model))).graph.node}
    assert_exact(model.model)


def averaged(*, signed=False, scale=2.0**-4, **attributes):
    """A network with an average of 4-bit codes."""

    def change(net, tensor):
        if signed:
            tensor = net.conv_bn(tensor, 4, 1, "signed", relu=False)
        net.node("AveragePool", [tensor], "pooled", **attributes)
        net.scales["pooled"] = net.scales[tensor]
        return net.conv_bn(net.quant("pooled", scale, signed=int(signed), name="pooled_q"), 4, 3, "after")

    return of_one_layer(change)


UNLIKE = [  # numbers of pixels
    {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1},
    {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1, "signed": True},
    {"kernel_shape": [5, 5], "pads": [2, 2, 2, 2]},
    {"kernel_shape": [7, 7], "pads": [3, 3, 3, 3]},
    {"kernel_shape": [2, 3], "pads": [0, 1, 1, 1], "scale": 0.0437},
    {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 1, 1, 1], "signed": True},
]


@pytest.mark.parametrize(
    "attributes",
    [each if at in (0, 2) else pytest.param(each, marks=pytest.mark.slow) for at, each in enumerate(UNLIKE)],
)
def test_windows_that_count_unlike_numbers_of_pixels(attributes):
    model = averaged(**attributes)
    assert "PlaceFactor_rtl" in {node.op_type for node in lowered(normalise(copy.deepcopy(model))).graph.node}
    assert_exact(model.model)


@pytest.mark.parametrize("counted", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_windows_cut_by_ceil_mode_are_those_of_onnxruntime(counted, tmp_path):
    """The reference evaluator of onnx fails here, onnxruntime executes each step."""
    attributes = {"pads": [1, 1, 1, 1], "count_include_pad": 1} if counted else {}
    model = normalise(averaged(kernel_shape=[5, 5], strides=[5, 5], ceil_mode=1, **attributes))
    model.model.opset_import[0].version = 19
    for step in STEPS:
        before, model = model, step.run(copy.deepcopy(model))
        assert verify(before, model, CODES[:1, :16, :16], tmp_path, step.name) > 0
    assert "PlaceFactor_rtl" in {node.op_type for node in model.graph.node}


def test_counted_padding_cut_by_ceil_mode_has_two_answers_in_old_opsets(tmp_path):
    model = averaged(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1, count_include_pad=1)
    model.save(str(tmp_path / "model.onnx"))
    (verdict,) = [each for each in check(tmp_path / "model.onnx") if not each.lowers]
    assert "below opset 19 onnxruntime and PyTorch divide them by unlike numbers" in verdict.reason


def test_padding_before_windows_that_ceil_mode_cuts_stays_apart():
    def change(net, tensor):
        pad(net, tensor, [0, 0, 2, 2, 0, 0, 2, 2])
        net.node("AveragePool", ["padded"], "pooled", kernel_shape=[4, 4], strides=[3, 3], ceil_mode=1)
        return net.conv_bn(net.quant("pooled", 2.0**-4), 4, 3, "after")

    nodes = {node.op_type for node in lowered(normalise(of_one_layer(change))).graph.node}
    assert {"ZeroPad_rtl", "PlaceFactor_rtl"} <= nodes


def test_common_multiples_that_float32_rounds_are_refused():
    model = averaged(kernel_shape=[9, 9], pads=[4, 4, 4, 4])
    sentence = (
        "averages windows of 25, 30, .*, 81 pixels, whose common multiple 6350400 times codes of 4 bits float32 may"
    )
    with pytest.raises(LoweringError, match=rf"n_pooled \(AveragePool\) {sentence} round"):
        lowered(normalise(model), "streamline")


@pytest.mark.slow
@pytest.mark.parametrize("signed", [False, True])
def test_unlike_numbers_are_exact_in_simulated_rtl(signed, tmp_path):
    model = normalise(averaged(kernel_shape=[5, 5], pads=[2, 2, 2, 2], signed=signed))
    codes = CODES[:, :16, :16]
    design = stitch(fold(lowered(copy.deepcopy(model)), 10_000), tmp_path)
    assert_exact_under_stalls(design, codes, execute_codes(model, codes))


@pytest.mark.slow
@pytest.mark.parametrize("attributes", [UNLIKE[at] for at in (0, 2, 4)])
def test_unlike_numbers_are_exact_in_cpp(attributes, tmp_path):
    model, codes = normalise(averaged(**attributes)), CODES[:, :16, :16]
    logits = execute_codes(model, codes)
    layers = assert_exact_in_hls(model, codes, logits, tmp_path, cycles_per_pixel=7)
    assert layers.get_nodes_by_op_type("PlaceFactor_hls")


@pytest.mark.parametrize("form", ["streamline", "specialize"])
def test_unlike_numbers_belong_to_a_size(form):
    model = lowered(normalise(averaged(**UNLIKE[0])), form)
    with pytest.raises(ConfigError, match="was lowered for .* 18x21: set the size before"):
        set_input_size(model, 18, 21)


@pytest.mark.parametrize("form", ["convert", "streamline", "specialize"])
def test_other_windows_of_another_size(form):
    def change(net, tensor):
        net.node("AveragePool", [tensor], "pooled", kernel_shape=[3, 3], strides=[2, 2])
        return net.conv_bn(net.quant("pooled", 2.0**-3), 4, 3, "after")

    model = normalise(of_one_layer(change))
    whole = copy.deepcopy(model)
    codes = np.random.default_rng(3).integers(0, 256, (1, 18, 21, 3), dtype=np.uint8)
    model = set_input_size(lowered(model, form), 18, 21)
    np.testing.assert_array_equal(execute_codes(model, codes), execute_codes(set_input_size(whole, 18, 21), codes))


def of_odd_sides():
    def change(net, tensor):
        net.node("AveragePool", [tensor], "pooled", kernel_shape=[2, 2], strides=[2, 2])
        return net.conv_bn(net.quant("pooled", 2.0**-3), 4, 3, "after")

    return of_one_layer(change, size=(17, 13))


def test_a_half_leaves_out_the_last_row_and_column_of_odd_sides():
    made = {node.op_type for node in lowered(normalise(of_odd_sides())).graph.node}
    assert "WindowSum_rtl" in made and "AveragePool2x2_rtl" not in made
    assert_exact(of_odd_sides().model, np.random.default_rng(4).integers(0, 256, (1, 17, 13, 3), dtype=np.uint8))


def test_finn_has_no_node_for_it_but_hls_has():
    low = lowered(network(), "lower")
    assert "AveragePool2x2_rtl" in finn_baseline(low, 40_000, "xc7z020clg400-1").not_in_finn
    layers = hls_graph(low, "xc7z020clg400-1", 40_000)
    assert len(layers.get_nodes_by_op_type("AveragePool2x2_hls")) == 2


def test_check_names_the_cpp_of_unlike_numbers(tmp_path):
    averaged(**UNLIKE[0]).save(str(tmp_path / "model.onnx"))
    kernels = {verdict.node: verdict.kernel for verdict in check_hls(tmp_path / "model.onnx")}
    assert "PlaceFactor_hls" in kernels["n_pooled"].split(", ")
