"""check(): a verdict for each node, the kernel or the reason, without building."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hw_build.base.board_config import BOARDS, load_board
from hw_build.base.errors import BuildError, ConfigError
from hw_build.flow.check import check, lowers
from hw_build.folding.apply import fold_as_asked
from hw_build.folding.config import make_folding
from hw_build.lowering import STEPS
from tests.hw_build import synthetic


def verdicts_of(model, tmp_path):
    path = tmp_path / "model.onnx"
    model.save(str(path))
    return check(path)


def test_network_that_lowers(tmp_path):
    model = synthetic.unet(16, 16, levels=1)
    verdicts = verdicts_of(model, tmp_path)
    assert lowers(verdicts)
    assert sorted(verdict.node for verdict in verdicts) == sorted(node.name for node in model.graph.node)
    kernels = {verdict.node: verdict.kernel for verdict in verdicts}
    assert kernels["n_image_q"] == "pixel codes"
    assert kernels["n_stem_w"] == "constants"
    assert kernels["n_stem_conv"] == "ConvThreshold_rtl"
    assert kernels["n_stem_bn"] == kernels["n_stem_relu"] == "thresholds"
    assert kernels["n_stem_act"] == "thresholds inside ConvThreshold_rtl"
    assert kernels["n_enc0_a_dw_conv"] == "DepthwiseConv_rtl"
    assert kernels["n_enc0_a_dw_act"] == kernels["n_enc0_a_res"] == "thresholds inside DepthwiseConv_rtl"
    assert kernels["n_enc0_a_res_sum"] == "residual inside DepthwiseConv_rtl"
    assert kernels["n_enc0_wide_conv"] == "ConvThreshold_rtl"
    assert kernels["n_pool1"] == "MaxPool2x2_rtl"
    assert kernels["n_up0_up"] == "BilinearThreshold2x_rtl"
    assert kernels["n_skip0_sum"] == "StreamAddThreshold_rtl"
    assert kernels["n_logits"] == "ConvThreshold_rtl"


def test_a_board_with_fewer_luts_than_any_folding_takes_is_told(tmp_path):
    """What `build` refuses however the network is folded, `check` foresees."""
    model = synthetic.unet(16, 16, levels=1)
    path, own = tmp_path / "model.onnx", tmp_path / "own.toml"
    model.save(str(path))
    shipped = (BOARDS / "pynq-z2.toml").read_text().replace("memory_luts = 17400", "memory_luts = 1", 1)
    assert lowers(check(path, load_board("pynq-z2")))
    own.write_text(shipped.replace("luts = 53200", "luts = 500", 1))
    *others, last = check(path, load_board(str(own)))
    assert lowers(others)
    found = re.match(r"the network needs at least ([\d,]+) LUTs, however it is folded, and own has 500 \(", last.reason)
    least = int(found[1].replace(",", ""))
    own.write_text(shipped.replace("luts = 53200", f"luts = {least}", 1))
    verdicts = check(path, load_board(str(own)))
    assert lowers(verdicts)
    allowed = f"the {int(0.75 * least):,} that a build with a target rate takes without --max-luts"
    assert verdicts[-1].kernel == f"{least:,} LUTs at the least, more than {allowed}"
    for step in STEPS:
        model = step.run(model)
    with pytest.raises(ConfigError, match="no folding"):
        fold_as_asked(model, make_folding(frames_per_second=1.0), (16, 16), load_board(str(own)))


def test_kernels_named_are_the_kernels_built(tmp_path):
    model = synthetic.unet(16, 16, levels=1)
    named = {part for verdict in verdicts_of(model, tmp_path) for part in verdict.kernel.split(", ") if "_rtl" in part}
    named = {part.removeprefix("thresholds inside ").removeprefix("residual inside ") for part in named}
    for step in STEPS:
        model = step.run(model)
    assert named == {node.op_type for node in model.graph.node} - {"StreamFork_rtl"}


def test_every_refused_node_is_listed_with_its_reason(tmp_path):
    net = synthetic.Net()
    stem = net.conv_bn(net.image(), 4, 3, "stem", bits=8)
    first = net.quant(net.node("HardSwish", [net.node("Round", [stem], "round")], "swish"), 2.0**-3)
    second = net.quant(net.node("Hardmax", [first], "soft", axis=1), 2.0**-3)
    verdicts = verdicts_of(net.model(net.head(second), 8, 8), tmp_path)
    refused = {verdict.node: verdict for verdict in verdicts if not verdict.lowers}
    assert not lowers(verdicts)
    assert set(refused) == {"n_round", "n_soft"}
    assert refused["n_round"].reason.startswith("it is not supported; supported are Add")
    assert refused["n_soft"].reason.startswith("it is not supported; supported are Add")
    assert refused["n_soft"].kernel == ""


def test_a_network_for_volumes_is_told_what_lowers_instead(tmp_path):
    net = synthetic.Net(seed=3)
    net.channels["image"] = 1
    image = net.quant("image", 2.0**-8, bits=8, name="image_q")
    pooled = net.node("MaxPool", [image], "pooled", kernel_shape=[2, 2, 2], strides=[2, 2, 2])
    net.weights("cube", (1, 1, 3, 3, 3), 4)
    net.node("Conv", [pooled, "cube_w"], "logits", kernel_shape=[3, 3, 3], pads=[1] * 6)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 1, *[side] * 3))
        for name, side in (("image", 8), ("logits", 4))
    ]
    graph = helper.make_graph(net.nodes, "volume", ends[:1], ends[1:], net.constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(synthetic.DOMAIN, 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), tmp_path / "volume.onnx")
    reasons = {verdict.node: verdict.reason for verdict in check(tmp_path / "volume.onnx") if not verdict.lowers}
    remedy = "; of volumes, slices with their neighbours as channels do (2.5D, `python -m quant distill`)"
    assert (
        reasons["n_logits"]
        == f"it is a 3D convolution: only 2D ones lower, of images (1, channels, height, width){remedy}"
    )
    assert reasons["n_image_q"].endswith(f"of 1x1x8x8x8: only images lower, (1, channels, height, width){remedy}")
    assert set(reasons) == {"n_image_q", "n_pooled", "n_logits"}


@pytest.mark.parametrize(
    ("operator", "attributes", "after"),
    [
        ("Resize", {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}, 16),
        ("Resize", {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, 16),
        ("AveragePool", {"kernel_shape": [2, 2, 2], "strides": [2, 2, 2]}, 4),
        ("AveragePool", {"kernel_shape": [3, 3, 3], "pads": [1] * 6}, 8),
        ("GlobalAveragePool", {}, 1),
        ("ReduceMean", {"axes": [2, 3, 4]}, 1),
        ("Mul", {}, 8),
        ("Expand", {}, 8),
        ("Sigmoid", {}, 8),
        ("InstanceNormalization", {}, 8),
    ],
)
def test_each_operator_of_volumes_is_told_what_lowers_instead(operator, attributes, after, tmp_path):
    net = synthetic.Net(seed=3)
    net.channels["image"] = 1
    image = net.quant("image", 2.0**-8, bits=8, name="image_q")
    more = {
        "Resize": ["", net.const("scales", [1, 1, 2, 2, 2])],
        "Mul": [net.node("GlobalAveragePool", [image], "gate")],
        "Expand": ["size"],
        "InstanceNormalization": [net.const(name, [1.0]) for name in ("gain", "shift")],
    }
    net.constants.append(numpy_helper.from_array(np.array([1, 1, 8, 8, 8], np.int64), "size"))
    net.node(operator, [image, *more.get(operator, [])], "out", **attributes)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 1, *[side] * 3))
        for name, side in (("image", 1 if operator == "Expand" else 8), ("out", after))
    ]
    graph = helper.make_graph(net.nodes, "volume", ends[:1], ends[1:], net.constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(synthetic.DOMAIN, 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), tmp_path / "volume.onnx")
    reasons = {verdict.node: verdict.reason for verdict in check(tmp_path / "volume.onnx")}
    assert reasons["n_out"].endswith("(2.5D, `python -m quant distill`)"), reasons["n_out"]


def test_operator_that_onnx_does_not_know_is_listed_even_without_shapes(tmp_path):
    net = synthetic.Net()
    stem = net.conv_bn(net.image(), 4, 3, "stem", bits=8)
    odd = net.quant(net.node("Relu", [stem], "odd"), 2.0**-3)
    up = net.upsample(net.pool(net.conv_bn(odd, 4, 3, "dw", depthwise=True), "low"), "up")
    model = net.model(net.head(up), 8, 8)
    node = next(node for node in model.graph.node if node.name == "n_odd")
    node.op_type, node.domain = "Frobnicate", "somewhere.else"
    del model.graph.value_info[:]
    refused = [verdict for verdict in verdicts_of(model, tmp_path) if not verdict.lowers]
    assert [verdict.node for verdict in refused] == ["n_odd"]
    assert refused[0].reason.startswith("it is not supported; supported are Add")


def test_what_only_shows_in_combination_is_found(tmp_path):
    net = synthetic.Net()
    stem = net.conv_bn(net.image(), 4, 3, "stem", bits=8)
    first, second = (
        net.quant(net.conv_bn(stem, 4, 1, name), scale, bits=8) for name, scale in (("one", 0.1), ("other", 0.07))
    )
    net.channels["sum"] = 4
    model = net.model(net.head(net.add(first, second, 2.0**-2, name="sum")), 8, 8)
    refused = [verdict for verdict in verdicts_of(model, tmp_path) if not verdict.lowers]
    assert [verdict.node for verdict in refused] == ["n_sum_sum"]
    assert "adds codes of scales 0.1 and 0.07" in refused[0].reason


def test_fault_of_no_single_node_gets_a_row_of_its_own(tmp_path):
    net = synthetic.Net()
    net.channels["image"], net.scales["image"] = 3, 2.0**-8
    verdicts = verdicts_of(net.model(net.head(net.conv_bn("image", 4, 3, "stem")), 8, 8), tmp_path)
    assert verdicts[-1].node == "network"
    assert "is not quantized first" in verdicts[-1].reason
    assert not lowers(verdicts)


def test_file_that_is_missing(tmp_path):
    with pytest.raises(BuildError, match="model .*none.onnx does not exist"):
        check(tmp_path / "none.onnx")
    with pytest.raises(BuildError, match="is a folder: give an ONNX file, of an export its model.qonnx"):
        check(tmp_path)


@pytest.mark.parametrize("content", [b"this is not a network", b"", np.random.default_rng(0).bytes(400)])
def test_file_that_is_no_network(tmp_path, content):
    path = tmp_path / "odd.onnx"
    path.write_bytes(content)
    with pytest.raises(BuildError, match=r"odd.onnx (is not an ONNX file|holds no network)"):
        check(path)
