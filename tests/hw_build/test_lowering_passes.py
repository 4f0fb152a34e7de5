"""Each lowering pass alone: the graph computes the same after it, and it leaves alone what it must not touch."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from finn.transformation.fpgadataflow.specialize_layers import SpecializeLayers
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.datatype import DataType
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.custom_op.registry import getCustomOp

from hw_build.base.errors import LoweringError
from hw_build.graph.bends import Clip, Factor, Leaky
from hw_build.graph.editor import GraphEditor, attribute, set_attribute, smallest_integer_type
from hw_build.lowering import convert as c
from hw_build.lowering import execute_codes, execute_context, verify
from hw_build.lowering import specialize as sp
from hw_build.lowering import streamline as s
from hw_build.lowering import thresholds as t
from hw_build.lowering.execution import comparable_tensors
from hw_build.lowering.hardware import passes
from hw_build.lowering.intake import normalise
from hw_build.lowering.intake.names import NameUnnamed
from hw_build.lowering.lines import LinesForThresholds
from hw_build.lowering.lower import ChannelsLast
from hw_build.operators.bilinear import FuseBilinearThresholds
from hw_build.operators.concatenation import ConcatenationsToKernels
from hw_build.operators.convolution import FuseConvolutions
from hw_build.operators.depthwise_convolution import FuseDepthwise, weight_matrix, weights_of
from hw_build.operators.finn_nodes import PatchesToSlidingWindows
from hw_build.operators.fork import ForkStreams
from hw_build.operators.stream_sum import FuseSumThresholds
from tests.hw_build import synthetic

PASSES = [
    *c.PASSES, *s.passes(), ChannelsLast(), *passes(), SpecializeLayers(sp.DEFAULT_PART), sp.NameNodes(),
    sp.RequireRtl(),
]  # fmt: skip
FUSE_SUMS = FuseSumThresholds(), FuseBilinearThresholds()
NAMES = [type(one).__name__ for one in PASSES]
CODES = np.random.default_rng(5).integers(0, 256, (1, 16, 24, 3), dtype=np.uint8)


def apply(model, *passes):
    for one in passes:
        model = model.transform(one, make_deepcopy=False, cleanup=False)
    return model


def upto(name, model):
    """``model`` after every pass before ``name``; numpy execution switched on for FINN's RTL nodes."""
    return apply(normalise(model), *PASSES[: NAMES.index(name)])


def rich_network():
    """One of everything: residual and plain depthwise, pool, bilinear, skip sum, concatenation, unpadded pointwise."""
    net = synthetic.Net(seed=11)
    stem = net.conv_bn(net.image(), 4, 3, "stem", bits=8)
    left = net.residual_depthwise(stem, 3, "left")
    low = net.pool(left, "low")
    plain = net.conv_bn(low, 4, 5, "plain", depthwise=True)
    up = net.upsample(plain, "up", scale=net.scales[left])
    skip = net.add(up, left, 2.0**-1, name="skip")
    wide = net.concat(net.conv_bn(skip, 3, 1, "right"), stem, "wide")
    return net.model(net.head(net.conv_bn(wide, 5, 3, "last")), 16, 24)


def real_logits(model, values):
    """The output in real units, whether the graph computes it so or as integers with a scale in its metadata."""
    graph = GraphEditor(model)
    output = graph.outputs[0]
    scale = graph.metadata("edgeseg_output_scale") if graph.is_integer(output) else 1.0
    return values[output] * np.float32(scale)


@pytest.mark.parametrize("name", NAMES)
def test_pass_changes_no_value(name):
    before = upto(name, rich_network())
    after = apply(copy.deepcopy(before), PASSES[NAMES.index(name)])
    if name in (
        "SpecializeLayers",
        "NameNodes",
        "RequireRtl",
    ):  # RTL executes after RequireRtl
        before, after = upto("SpecializeLayers", rich_network()), apply(after, sp.RequireRtl())
    first, second = execute_context(before, CODES), execute_context(after, CODES)
    np.testing.assert_array_equal(real_logits(before, first), real_logits(after, second))
    shared = comparable_tensors(before, after)
    assert shared or name in ("InputQuantToCodes", "RefuseUnsupported")
    for tensor in shared:
        np.testing.assert_array_equal(first[tensor], second[tensor], err_msg=tensor)


def signed_network():
    """Signed codes into and out of everything that multiplies or thresholds."""
    net = synthetic.Net(seed=13)
    stem = net.conv_bn(net.image(), 4, 3, "stem", bits=8, relu=False)
    deep = net.conv_bn(stem, 4, 3, "deep", depthwise=True, relu=False, scale=net.scales[stem])
    low = net.pool(net.add(stem, deep, 2.0**-2, name="residual", signed=1), "low")
    thin = net.conv_bn(net.requantize(low, 2.0**-3, name="active", relu=True), 4, 1, "thin", relu=False, narrow=1)
    up = net.upsample(thin, "up", scale=2.0**-2, signed=1)
    return net.model(net.head(net.add(up, net.conv_bn(up, 4, 3, "more", relu=False, scale=2.0**-2), 2.0**-1,
                                      name="sum", signed=1)), 16, 24)  # fmt: skip


SIGNED = ("FuseDepthwise", "FuseSumThresholds", "FuseBilinearThresholds", "FuseConvolutions", "ThresholdsToKernels")


@pytest.mark.parametrize("name", SIGNED)
def test_pass_changes_no_value_of_signed_codes(name):
    before = upto(name, signed_network())
    after = apply(copy.deepcopy(before), PASSES[NAMES.index(name)])
    assert count(after, "MultiThreshold") < count(before, "MultiThreshold"), "there is something to do"
    first, second = execute_context(before, CODES), execute_context(after, CODES)
    for tensor in comparable_tensors(before, after):
        np.testing.assert_array_equal(first[tensor], second[tensor], err_msg=tensor)
    assert min(second[tensor].min() for tensor in comparable_tensors(before, after)) < 0


def count(model, *operators):
    return sum(node.op_type in operators for node in model.graph.node)


def test_unnamed_nodes_get_names_and_named_ones_keep_theirs():
    model = rich_network()
    first, second = model.graph.node[0], model.graph.node[1]
    first.name, kept = "", second.name
    names = [node.name for node in apply(model, NameUnnamed()).graph.node]
    assert len(set(names)) == len(names)
    assert names[1] == kept
    assert names[0] == f"{first.op_type}_{first.output[0]}"


def test_constant_folding_leaves_weight_quantizers():
    model = rich_network()
    assert count(normalise(copy.deepcopy(model)), "Quant") == count(model, "Quant")


def test_constants_that_nodes_compute_are_folded():
    def built(*, computed):
        net = synthetic.Net(seed=2)
        stem = net.conv_bn(net.image(), 4, 3, "stem", bits=8)
        if computed:
            value = numpy_helper.from_array(np.float32(2.0**-8), "quarter_value")
            net.nodes.append(helper.make_node("Constant", [], ["quarter"], name="n_quarter", value=value))
            net.node("Mul", ["quarter", net.const("two_to_minus_8", 2.0**-8)], "tie")
            net.node("Identity", [stem], "same")
        else:
            net.const("tie", 2.0**-16)
        net.channels["same"] = 4
        net.node("Add", ["same" if computed else stem, "tie"], "tied")
        return net.model(net.head(net.quant("tied", 2.0**-2)), 16, 24)

    folded = normalise(built(computed=True))
    assert count(folded, "Constant", "Identity", "Mul") == 0
    np.testing.assert_array_equal(
        execute_codes(upto("ChannelsLast", folded), CODES), execute_codes(built(computed=False), CODES)
    )


def test_weight_integers_leave_activation_quantizers():
    model = upto("WeightQuantsToIntegers", rich_network())
    activations = sum(
        node.input[0] not in GraphEditor(model).constants for node in model.graph.node if node.op_type == "Quant"
    )
    after = apply(model, c.WeightQuantsToIntegers())
    assert count(after, "Quant") == activations > 0


def test_weights_are_the_quantizer_s_integers():
    net = synthetic.Net()
    model = net.model(net.head(net.conv_bn(net.image(), 4, 3, "stem")), 8, 8)
    after = apply(upto("WeightQuantsToIntegers", model), c.WeightQuantsToIntegers())
    graph = GraphEditor(after)
    for conv in graph.of_type("Conv"):
        values = graph.constants[conv.input[1]]
        assert np.array_equal(values, np.round(values))
        assert graph.datatypes[conv.input[1]].name in ("INT4", "INT8")


def test_scales_stop_at_per_channel_factors():
    model = upto("MoveScalesPastLinear", rich_network())
    graph = GraphEditor(model)
    conv = graph.of_type("Conv")[0]
    scale = next(node for node in graph.consumers(conv.output[0]) if node.op_type == "Mul")
    graph.constants[scale.input[1]] = np.full((1, 4, 1, 1), 0.5, np.float32)
    graph.commit()
    after = GraphEditor(apply(model, s.MoveScalesPastLinear()))
    assert any(after.constants[node.input[1]].shape == (1, 4, 1, 1) for node in after.of_type("Mul"))


def test_narrow_weights_keep_their_type_and_full_range_ones_grow():
    model = upto("NarrowWeights", rich_network())
    graph = GraphEditor(model)
    first, second = graph.of_type("Conv")[:2]
    graph.constants[first.input[1]] = graph.constants[first.input[1]].copy()
    graph.constants[first.input[1]].flat[0] = -128
    graph.commit()
    after = GraphEditor(apply(model, s.NarrowWeights()))
    assert after.datatypes[first.input[1]].name == "INT9"
    assert after.datatypes[second.input[1]] == graph.datatypes[second.input[1]]


def test_residual_read_elsewhere_is_not_fused(tmp_path):
    net = synthetic.Net(seed=3)
    stem = net.conv_bn(net.image(), 4, 3, "stem", bits=8)
    branch = net.conv_bn(stem, 4, 3, "dw", depthwise=True, scale=net.scales[stem])
    total = net.add(stem, branch, net.scales[stem], name="sum")
    model = net.model(net.head(net.concat(total, branch, "both")), 16, 24)
    before = upto("FuseDepthwise", model)
    after = apply(copy.deepcopy(before), FuseDepthwise())
    kernel = GraphEditor(after).of_type("DepthwiseConv_rtl")[0]
    assert attribute(kernel, "Residual") == 0
    assert count(after, "Add") == 2  # the sum and the head's bias
    verify(before, after, CODES, tmp_path, "fuse")


def test_sum_with_another_tensor_is_not_fused(tmp_path):
    net = synthetic.Net(seed=4)
    stem = net.conv_bn(net.image(), 4, 3, "stem", bits=8)
    other = net.conv_bn(stem, 4, 1, "other", scale=net.scales[stem])
    branch = net.conv_bn(stem, 4, 3, "dw", depthwise=True, scale=net.scales[stem])
    model = net.model(net.head(net.add(other, branch, net.scales[stem], name="sum")), 16, 24)
    before = upto("FuseDepthwise", model)
    after = apply(copy.deepcopy(before), FuseDepthwise())
    assert attribute(GraphEditor(after).of_type("DepthwiseConv_rtl")[0], "Residual") == 0
    verify(before, after, CODES, tmp_path, "fuse")


def test_concatenation_of_three_is_two_kernels():
    net = synthetic.Net(seed=6)
    stem = net.conv_bn(net.image(), 4, 3, "stem", bits=8)
    parts = [net.conv_bn(stem, out, 1, f"part{out}") for out in (2, 3, 5)]
    net.node("Concat", parts, "all", axis=1)
    net.channels["all"], net.scales["all"] = 10, net.scales[parts[0]]
    before = upto("ConcatenationsToKernels", net.model(net.head("all"), 16, 24))
    after = apply(copy.deepcopy(before), ConcatenationsToKernels())
    kernels = GraphEditor(after).of_type("StreamConcat_rtl")
    assert [list(attribute(node, "NumChannels")) for node in kernels] == [[2, 3], [5, 5]]
    first, second = execute_context(before, CODES), execute_context(after, CODES)
    np.testing.assert_array_equal(first["all_codes"], second["all_codes"])


def test_affine_nodes_of_every_kind_become_thresholds():
    net = synthetic.Net(seed=7)
    weight, _, _ = net.weights("plain", (4, 3, 3, 3), 8)
    image = net.image()
    unit = 2.0**-7 * 2.0**-8  # one accumulator step
    bias = net.const("plain_bias", np.array([1.25, -40.75, 100.25, 7.75]) * unit * 64)
    net.node("Conv", [image, weight, bias], "plain_conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    net.channels["plain_conv"] = 4
    steps = [
        ("Mul", 2.0),
        ("Sub", unit * np.array([64.0, -128, 0, 640]).reshape(1, 4, 1, 1)),
        ("Div", 4.0),
        ("Relu", None),
        ("Mul", 0.75),
        ("Sub", 2.0**-5),
    ]
    current = "plain_conv"
    for index, (operator, value) in enumerate(steps):
        inputs = [current] if value is None else [current, net.const(f"value{index}", value)]
        current = net.node(operator, inputs, f"step{index}")
    model = net.model(net.head(net.quant(current, 2.0**-3, name="codes")), 16, 24)
    lowered = upto("ChannelsLast", copy.deepcopy(model))
    assert count(lowered, "Mul", "Sub", "Div", "Relu") == 0
    np.testing.assert_array_equal(execute_codes(lowered, CODES), execute_codes(model, CODES))
    assert np.unique(execute_context(lowered, CODES)["codes_codes"]).size > 4


def test_sums_of_integers_are_as_wide_as_they_can_be_and_no_wider():
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("MaxPool", ["sum"], ["pooled"])]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, 4, 4]) for name in ("a", "b", "pooled")]
    model = ModelWrapper(helper.make_model(helper.make_graph(nodes, "sums", infos[:2], infos[2:])))
    for name, kind in {"a": "UINT4", "b": "INT4", "sum": "INT8", "pooled": "INT8"}.items():
        model.set_tensor_datatype(name, DataType[kind])
    graph = GraphEditor(model)
    assert t.integer_range(graph, "a") == (0, 15)
    assert t.integer_range(graph, "sum") == t.integer_range(graph, "pooled") == (-8, 22)


def test_output_may_be_codes_or_a_head_without_bias():
    net = synthetic.Net(seed=9)
    codes_model = net.model(net.conv_bn(net.image(), 3, 3, "stem"), 16, 24, out_channels=3)
    lowered = upto("ChannelsLast", copy.deepcopy(codes_model))
    np.testing.assert_array_equal(execute_codes(lowered, CODES), execute_codes(codes_model, CODES))
    net = synthetic.Net(seed=10)
    stem = net.conv_bn(net.image(), 4, 3, "stem")
    net.head(stem)
    del net.nodes[-1].input[2]
    model = net.model("logits", 16, 24)
    lowered = apply(normalise(copy.deepcopy(model)), *PASSES)
    assert count(lowered, "ChannelBias_rtl") == 0
    np.testing.assert_array_equal(execute_codes(lowered, CODES), execute_codes(model, CODES))


def test_dense_patches_are_not_taken_for_depthwise():
    before = upto("FuseDepthwise", rich_network())
    dense = sum(not attribute(node, "depthwise") for node in before.graph.node if node.op_type == "Im2Col")
    assert count(apply(before, FuseDepthwise()), "Im2Col") == dense == 2


def test_thresholds_join_sums():
    after = apply(upto("FuseSumThresholds", rich_network()), *FUSE_SUMS)
    assert count(after, "StreamAddThreshold_rtl") == count(after, "BilinearThreshold2x_rtl") == 1
    assert count(after, "Add", "Resize") == 1  # the head's bias


@pytest.mark.parametrize("kind", ["INT10", "UINT10"])
def test_thresholds_stay_apart_from_wide_sums(kind):
    before = upto("FuseSumThresholds", rich_network())
    graph = GraphEditor(before)
    for node in (*graph.of_type("Add"), *graph.of_type("Resize")):
        graph.datatypes[node.input[0]] = DataType[kind]
    graph.touch()
    graph.commit()
    after = apply(before, *FUSE_SUMS)
    assert count(after, "StreamAddThreshold_rtl", "BilinearThreshold2x_rtl") == 0


@pytest.mark.parametrize(("scale", "fused"), [(2.0**-8, 1), (2.0**-9, 1), (3 * 2.0**-10, 0)])
def test_wide_sums_of_many_thresholds_are_fused_where_a_shift_serves(scale, fused):
    net = synthetic.Net(seed=3, act_bits=8)
    model = net.model(net.head(net.upsample(net.pool(net.image(), "low"), "up", scale=scale)), 16, 24)
    before = upto("FuseSumThresholds", model)
    after = apply(copy.deepcopy(before), *FUSE_SUMS, LinesForThresholds())
    assert count(after, "BilinearThreshold2x_rtl") == fused
    np.testing.assert_array_equal(execute_codes(before, CODES), execute_codes(after, CODES))


def test_many_thresholds_become_lines():
    net = synthetic.Net(seed=3, act_bits=8)
    model = net.model(net.head(net.conv_bn(net.image(), 4, 3, "stem", bits=8)), 16, 24)
    before = upto("LinesForThresholds", model)
    after = apply(copy.deepcopy(before), LinesForThresholds())
    lines = [
        list(getCustomOp(node).get_nodeattr("LineBits"))
        for graph in (before, after)
        for node in graph.graph.node
        if node.op_type == "ConvThreshold_rtl" and node.name.startswith("n_stem")
    ]
    assert lines[0] == [] and len(lines[1]) == 2 and min(lines[1]) > 0
    np.testing.assert_array_equal(execute_codes(before, CODES), execute_codes(after, CODES))


def test_few_thresholds_stay():
    before = apply(upto("SpecializeLayers", rich_network()))
    after = apply(copy.deepcopy(before), LinesForThresholds())
    assert after.model.SerializeToString() == before.model.SerializeToString()


def test_unpadded_window_gets_no_padding_node():
    net = synthetic.Net()
    stem = net.conv_bn(net.image(), 4, 3, "stem", bits=8)
    model = net.model(net.head(stem), 8, 8)
    conv = next(node for node in model.graph.node if node.name == "n_stem_conv")
    set_attribute(conv, "pads", [0, 0, 0, 0])
    graph = GraphEditor(model)
    for name in graph.shapes:
        if graph.shapes[name][2:] == (8, 8) and not name.startswith("image"):
            graph.shapes[name] = (*graph.shapes[name][:2], 6, 6)
    graph.commit()
    after = apply(upto("PatchesToSlidingWindows", model), PatchesToSlidingWindows())
    assert count(after, "Pad") == 0
    assert count(after, "ConvolutionInputGenerator") == 1


def test_a_node_without_rtl_is_named():
    model = upto("RequireRtl", rich_network())
    model.graph.node[0].domain = "somewhere.else"
    with pytest.raises(LoweringError, match=r"node ConvThreshold_rtl_0 .* has no RTL, neither FINN's nor a kernel of"):
        apply(model, sp.RequireRtl())


def test_codes_too_wide_for_a_product_are_refused():
    before = upto("FuseConvolutions", rich_network())
    graph = GraphEditor(before)
    graph.datatypes[graph.inputs[0]] = DataType["UINT9"]
    graph.touch()
    graph.commit()
    with pytest.raises(LoweringError, match=r"n_stem_conv \(MatMul\) multiplies codes of 9 bits: quantize them to 8"):
        apply(before, FuseConvolutions())


def test_single_reader_is_not_forked():
    net = synthetic.Net()
    model = net.model(net.head(net.conv_bn(net.image(), 4, 3, "stem", bits=8)), 8, 8)
    assert count(apply(upto("ForkStreams", model), ForkStreams()), "StreamFork_rtl") == 0


def test_fork_has_a_copy_per_reader():
    after = apply(upto("ForkStreams", rich_network()), ForkStreams())
    forks = GraphEditor(after).of_type("StreamFork_rtl")
    assert sorted(len(node.output) for node in forks) == [2, 2]
    assert all(attribute(node, "NumOutputs") == len(node.output) for node in forks)


BENDS = {
    "none": (),
    "relu": (Clip(0.0, np.inf),),
    "clip": (Clip(-6.0, 11.5),),
    "leaky": (Leaky(np.linspace(0.05, 0.5, 22)),),
    "relu, then a BN": (Clip(0.0, np.inf), Factor(np.linspace(-2.0, 2.0, 22).round(1), np.linspace(-9.0, 9.0, 22))),
    "leaky, then a constant": (Leaky(np.full(22, 0.25)), Factor(np.zeros(22), np.full(22, 4.0))),
}


def bent(bends, value):
    for bend in bends:
        if isinstance(bend, Factor):
            value = value * bend.gain[:, None] + bend.shift[:, None]
        elif isinstance(bend, Clip):
            value = np.clip(value, bend.low, bend.high)
        else:
            value = np.where(value < 0, value * bend.slope[:, None], value)
    return value


@pytest.mark.parametrize("name", BENDS)
def test_integer_thresholds_equal_the_real_comparison(name):
    bends, rng = BENDS[name], np.random.default_rng(8)
    low, high = -60, 90
    gain = np.concatenate([rng.uniform(1e-3, 3, 20), [0.0, 0.0]])
    offset = np.concatenate([rng.uniform(-40, 40, 20), [-1.0, 5.0]])
    chain = t.Chain("acc", gain, offset, bends, (), np.ones(22))
    chain = replace(chain, gain=np.where(chain.falls, -gain, gain))  # as where filters are negated
    steps = np.sort(rng.uniform(-20, 30, (1, 15)))

    def compute(acc):
        return bent(bends, chain.gain[:, None] * acc + offset[:, None])

    table = t.integer_thresholds(steps, chain, low, high, compute)
    acc = np.arange(low, high + 1)
    value = compute(acc)  # (C, A)
    wanted = (value[:, :, None] >= steps[0]).sum(axis=2)
    found = (acc[None, :, None] >= table[:, None, :]).sum(axis=2)
    np.testing.assert_array_equal(found, wanted)
    assert table.min() >= low
    assert table.max() <= high + 1


@pytest.mark.parametrize(
    ("low", "high", "name"),
    [(0, 0, "UINT2"), (0, 3, "UINT2"), (0, 4, "UINT3"), (-1, 0, "INT2"), (-2, 1, "INT2"), (-3, 1, "INT3"),
     (-1, 4, "INT4"), (-8, 7, "INT4"), (-8, 8, "INT5"), (-129, 0, "INT9")],
)  # fmt: skip
def test_smallest_type(low, high, name):
    datatype = smallest_integer_type(low, high)
    assert datatype.name == name
    assert datatype.min() <= low <= high <= datatype.max()


def test_depthwise_matrix_has_an_inverse():
    weights = np.random.default_rng(1).integers(-7, 8, (6, 1, 5, 5)).astype(np.float32)
    matrix = weight_matrix(weights)
    assert matrix.shape == (150, 6)
    np.testing.assert_array_equal(weights_of(matrix, weights.shape[2:]), weights[:, 0])
