"""Networks as exporters write them: each form computes after intake what the file computes, or is refused by name."""

import copy

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.channels_last import ConvertToChannelsLastAndClean
from qonnx.transformation.general import GiveReadableTensorNames, GiveUniqueNodeNames, SortGraph
from qonnx.transformation.infer_shapes import InferShapes
from qonnx.transformation.qonnx_to_qcdq import QuantToQCDQ

from hw_build.base.errors import BuildError, LoweringError
from hw_build.flow.check import check, lowers
from hw_build.graph.editor import QONNX_DOMAIN, GraphEditor, attribute
from hw_build.lowering import STEPS, execute_codes
from hw_build.lowering.forms import scales
from hw_build.lowering.intake import load_network, normalise
from hw_build.lowering.intake.pads import ExplicitPads
from tests.hw_build import onnx_oracle, synthetic

CODES = np.random.default_rng(5).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)


def network(change=None, *, size=(16, 16), channels=4):
    """image -> conv 3x3 -> [change(net, tensor) -> tensor] -> head without bias."""
    net = synthetic.Net(seed=3)
    current = net.conv_bn(net.image(), channels, 3, "stem", bits=8)
    if change is not None:
        current = change(net, current)
    net.head(current)
    del net.nodes[-1].input[2]
    return net.model("logits", *size)


def node(model, name):
    return next(entry for entry in model.graph.node if entry.name == name)


def attach(model, *nodes, constants=()):
    """Put ``nodes`` where their sources and readers want them."""
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants)
    return model.transform(SortGraph(), make_deepcopy=False, cleanup=False)


def lowered(model):
    for step in STEPS:
        model = step.run(model)
    return model


def assert_exact(proto, codes=CODES):
    """The file's output, by onnx' evaluator, is what intake and lowering compute."""
    expected = onnx_oracle.output_of(proto, codes)
    taken = normalise(ModelWrapper(copy.deepcopy(proto)))
    np.testing.assert_array_equal(execute_codes(taken, codes)[0] * np.float32(scales(taken)[1]), expected)
    np.testing.assert_array_equal(execute_codes(lowered(taken), codes)[0] * np.float32(scales(taken)[1]), expected)
    assert np.unique(expected).size > 4


# -- graphs ------------------------------------------------------------------------------------------------------------


def test_cycle_is_a_sentence():
    model = network()
    node(model, "n_stem_conv").input[0] = "stem_act"
    with pytest.raises(LoweringError, match=r"node n_stem_\w+ depends on its own output: remove the cycle"):
        normalise(model)


def test_cycle_made_by_a_pass_is_a_sentence():
    graph = GraphEditor(network())
    graph.producer("stem_conv").input[0] = "stem_act"
    graph.touch()
    with pytest.raises(LoweringError, match="depends on its own output"):
        graph.sorted_nodes()


def test_tensor_written_twice_is_a_sentence():
    model = network()
    node(model, "n_stem_relu").output[0] = "stem_bn"
    with pytest.raises(LoweringError, match="tensor stem_bn is written by both n_stem_bn and n_stem_relu"):
        normalise(model)


def test_tensor_that_nobody_writes_is_a_sentence():
    model = network()
    node(model, "n_stem_relu").input[0] = "nowhere"
    with pytest.raises(LoweringError, match=r"node n_stem_relu \(Relu\) reads nowhere, which no node writes"):
        normalise(model)


def test_output_that_nobody_writes_is_a_sentence():
    model = network()
    model.graph.output[0].name = "elsewhere"
    with pytest.raises(LoweringError, match="no node writes the output elsewhere"):
        normalise(model)


def test_nodes_may_come_in_any_order():
    model = network()
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    names = [entry.name for entry in normalise(model).graph.node]
    assert names.index("n_stem_conv") < names.index("n_stem_bn") < names.index("n_logits")


@pytest.mark.parametrize("output", ["logits", "global_out", "global_in"])
def test_head_without_bias_lowers_whatever_its_name(output):
    model = network()
    node(model, "n_logits").output[0] = output
    model.graph.output[0].name = output
    assert_exact(model.model)


def test_head_with_a_bias_of_zero_lowers():
    net = synthetic.Net(seed=3)
    model = net.model(net.head(net.conv_bn(net.image(), 4, 3, "stem", bits=8)), 16, 16)
    model.set_initializer("head_bias", np.zeros(1, np.float32))
    assert_exact(model.model)


def test_inner_tensors_may_have_the_names_of_the_ends():
    model = network()
    for name in ("n_stem_bn", "n_stem_relu"):
        old, new = node(model, name).output[0], "global_out" if name == "n_stem_bn" else "global_in"
        node(model, name).output[0] = new
        for reader in model.graph.node:
            reader.input[:] = [new if entry == old else entry for entry in reader.input]
    del model.graph.value_info[:]
    assert_exact(model.model)


def test_dead_nodes_and_unused_outputs_vanish():
    model = attach(network(), helper.make_node("Exp", ["stem_act"], ["unused"], name="dead"))
    assert "dead" not in [entry.name for entry in normalise(model).graph.node]


# -- constants ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form", [{"value_float": 4.0}, {"value_floats": [4.0]}, {"value_int": 4}, {"value_ints": [4]}, {"value": 4.0}]
)
def test_constants_of_every_form(form):
    model = network()
    if "value" in form:
        form = {"value": numpy_helper.from_array(np.float32(4), "four")}
    node(model, "n_stem_act").input[3] = "bits"
    assert_exact(attach(model, helper.make_node("Constant", [], ["bits"], **form)).model)


def transposed(model):
    """Filters of the head as (1, 1, O, I), turned before their quantizer."""
    value = model.get_initializer("head_float").transpose(2, 3, 0, 1)
    node(model, "n_head_w").input[0] = "turned"
    turn = helper.make_node("Transpose", ["stored"], ["turned"], perm=[2, 3, 0, 1])
    return attach(model, turn, constants=[("stored", value)])


def transposed_behind(model):
    """The same, turned behind it."""
    value = model.get_initializer("head_float").transpose(2, 3, 0, 1)
    node(model, "n_head_w").input[0] = "stored"
    node(model, "n_logits").input[1] = "turned"
    turn = helper.make_node("Transpose", ["head_w"], ["turned"], perm=[2, 3, 0, 1])
    return attach(model, turn, constants=[("stored", value)])


def half_precision(model):
    value = model.get_initializer("head_float").astype(np.float16)
    node(model, "n_head_w").input[0] = "wide"
    cast = helper.make_node("Cast", ["stored"], ["wide"], to=TensorProto.FLOAT)
    return attach(model, cast, constants=[("stored", value)])


def chain(model):
    """Reshape, Identity, and a slice of what ConstantOfShape and Concat make."""
    value = model.get_initializer("head_float")
    node(model, "n_head_w").input[0] = "same"
    constants = [
        ("stored", value.reshape(-1)),
        ("rank", np.array([1])),
        ("rest", np.array(value.shape)),
        *(("from", np.array([1])), ("to", np.array([5]))),
    ]
    nodes = [
        helper.make_node("ConstantOfShape", ["rank"], ["zero"], value=numpy_helper.from_array(np.array([0]), "z")),
        helper.make_node("Concat", ["zero", "rest"], ["sizes"], axis=0),
        helper.make_node("Slice", ["sizes", "from", "to"], ["shape"]),
        helper.make_node("Reshape", ["stored", "shape"], ["shaped"]),
        helper.make_node("Identity", ["shaped"], ["same"]),
    ]
    return attach(model, *nodes, constants=constants)


@pytest.mark.parametrize("form", [transposed, transposed_behind, half_precision, chain])
def test_weights_are_found_behind(form):
    assert_exact(form(network()).model)


def test_transposed_weights_keep_a_scale_of_each_channel_and_their_other_reader():
    net = synthetic.Net(seed=4)
    stem = net.conv_bn(net.image(), 4, 3, "stem", bits=8)
    _, codes, scale = net.weights("both", (4, 4, 1, 1), 4)
    model = net.model(net.head(net.quant(net.node("Conv", [stem, "both_w"], "plain"), 0.5)), 16, 16)
    model.set_initializer("both_w_s", np.array([1, 2, 4, 1], np.float32).reshape(4, 1, 1, 1) * scale)
    node(model, "n_plain").input[1] = "turned"
    turn = helper.make_node("Transpose", ["both_w"], ["turned"], perm=[1, 0, 2, 3], name="turn")
    taken = GraphEditor(normalise(attach(model, turn)))
    quant = taken.producer("turned")
    assert quant.op_type == "Quant"
    np.testing.assert_array_equal(taken.constants[quant.input[0]], (codes * scale).transpose(1, 0, 2, 3))
    assert taken.constants[quant.input[1]].shape == (1, 4, 1, 1)


def test_sizes_computed_from_shapes_are_constants():
    """F.interpolate by a factor, as exporters write it: Shape, Slice, Mul, Cast, Resize by sizes."""

    def change(net, tensor):
        low = net.pool(tensor, "low")
        for name, value in (("two", [2]), ("four", [4])):
            net.constants.append(numpy_helper.from_array(np.array(value), name))
        net.constants.append(numpy_helper.from_array(np.array([2, 2]), "factor"))
        net.node("Shape", [low], "shape")
        net.node("Slice", ["shape", "two", "four"], "image_size")
        net.node("Mul", ["image_size", "factor"], "large")
        net.constants.append(numpy_helper.from_array(np.array([0]), "zero"))
        net.node("Slice", ["shape", "zero", "two"], "front")
        net.node("Concat", ["front", "large"], "sizes", axis=0)
        attributes = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        net.nodes.append(helper.make_node("Resize", [low, "", "", "sizes"], ["up"], name="n_up", **attributes))
        net.channels["up"] = net.channels[low]
        return net.quant("up", net.scales[low])

    assert_exact(network(change).model)


def test_constant_that_onnx_cannot_evaluate_is_a_sentence():
    model = network()
    node(model, "n_stem_act").input[3] = "bits"
    broken = helper.make_node("Reshape", ["four", "shape"], ["bits"], name="broken")
    attach(model, broken, constants=[("four", np.float32([4])), ("shape", np.array([3]))])
    with pytest.raises(
        LoweringError, match=r"node broken \(Reshape\) depends on constants alone, but onnx cannot eval"
    ):
        normalise(model)


# -- shapes, batches, opsets -------------------------------------------------------------------------------------------


def test_shapes_are_inferred_and_wrong_ones_not_believed():
    model = network()
    del model.graph.value_info[:]
    assert_exact(model.model)
    model = network()
    model.set_tensor_shape("stem_act", [1, 9, 9, 9])
    assert_exact(model.model)


@pytest.mark.parametrize("batch", [4, "batch"])
def test_batch_becomes_one(batch):
    model = network()
    for value in (model.graph.input[0], model.graph.output[0]):
        sizes = [batch, *(dim.dim_value for dim in value.type.tensor_type.shape.dim[1:])]
        value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, sizes))
    del model.graph.value_info[:]
    assert_exact(model.model)


def test_batch_that_a_constant_holds_is_a_sentence():
    def change(net, tensor):
        net.node("Add", [tensor, net.const("each", np.ones((4, 1, 1, 1)) / 8)], "moved")
        return net.quant("moved", 2.0**-3)

    model = network(change)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    with pytest.raises(
        LoweringError,
        match=r"exported for a batch of 4, and node n_moved \(Add\) keeps 4 images: export it with batch 1",
    ):
        normalise(model)


def test_old_opset_is_raised():
    model = network(lambda net, tensor: net.conv_bn(tensor, 4, 3, "more"))
    for entry in model.model.opset_import:
        entry.version = 9 if not entry.domain else entry.version
    expected = network(lambda net, tensor: net.conv_bn(tensor, 4, 3, "more"))
    taken = normalise(model)
    assert taken.get_opset_imports()[""] == 13
    np.testing.assert_array_equal(execute_codes(lowered(taken), CODES), execute_codes(expected, CODES))


def test_thresholds_that_a_depthwise_convolution_s_channels_share():
    def change(net, tensor):
        weight, _, _ = net.weights("shared", (4, 1, 3, 3), 4)
        net.node("Conv", [tensor, weight], "shared_conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=4)
        net.channels["shared_conv"] = 4
        return net.quant(net.node("Relu", ["shared_conv"], "shared_relu"), 2.0**-4, name="shared_act")

    model = network(change)
    assert_exact(model.model)
    assert "DepthwiseConv_rtl" in {entry.op_type for entry in lowered(normalise(model)).graph.node}


# -- nodes that do nothing, Pads ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [("Identity", {}), ("Dropout", {}), ("Cast", {"to": TensorProto.FLOAT})],
)
def test_identity_is_nothing_at_the_head_and_inside(operator, attributes):
    model = network(lambda net, tensor: net.quant(net.node(operator, [tensor], "same", **attributes), 2.0**-3))
    node(model, "n_logits").output[0] = "inner"
    attach(model, helper.make_node(operator, ["inner"], ["logits"], name="last", **attributes))
    assert_exact(model.model)
    assert operator not in {entry.op_type for entry in normalise(model).graph.node}


def padded(amounts, *, value=None, mode="constant", pads=(0, 0, 0, 0)):
    """The stem's padding as a node of its own; ``pads`` are left to the convolution."""
    model = network()
    conv = node(model, "n_stem_conv")
    conv.input[0] = "padded"
    next(entry for entry in conv.attribute if entry.name == "pads").ints[:] = list(pads)
    constants = [("amounts", np.array(amounts)), *([] if value is None else [("value", np.float32(value))])]
    inputs = ["image_q", "amounts", *([] if value is None else ["value"])]
    return attach(model, helper.make_node("Pad", inputs, ["padded"], name="pad", mode=mode), constants=constants)


@pytest.mark.parametrize(
    "model",
    [padded([0, 0, 1, 1, 0, 0, 1, 1]), padded([0, 0, 1, 1, 0, 0, 1, 1], value=0.0),
     padded([0, 0, 0, 1, 0, 0, 1, 0], pads=(1, 0, 0, 1))],
)  # fmt: skip
def test_zeros_around_an_image_become_the_convolution_s_pads(model):
    assert_exact(model.model)
    taken = normalise(model)
    assert list(attribute(node(taken, "n_stem_conv"), "pads")) == [1, 1, 1, 1]


@pytest.mark.parametrize("named", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("operator", ["Conv", "MaxPool"])
@pytest.mark.parametrize(
    ("size", "kernel", "stride"),
    [((16, 16), (3, 3), 2), ((17, 12), (5, 2), 2), ((9, 13), (3, 3), 1), ((11, 8), (4, 1), 3)],
)
def test_named_padding_is_told_in_numbers(named, operator, size, kernel, stride):
    """With the pads told, onnxruntime computes what it does of the name."""
    rng = np.random.default_rng(6)
    weights = [numpy_helper.from_array(rng.normal(size=(2, 3, *kernel)).astype(np.float32), "w")]
    inputs = ["x", "w"] if operator == "Conv" else ["x"]
    window = helper.make_node(
        operator, inputs, ["y"], name="window", kernel_shape=kernel, strides=[stride] * 2, auto_pad=named
    )
    values = [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, *size))]
    values.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, None))
    graph = helper.make_graph([window], "window", values[:1], values[1:], weights[: len(inputs) - 1])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    told = ModelWrapper(copy.deepcopy(proto)).transform(InferShapes()).transform(ExplicitPads())
    (after,) = told.graph.node
    assert attribute(after, "auto_pad") == "NOTSET" and len(attribute(after, "pads")) == 4
    image = {"x": rng.normal(size=(1, 3, *size)).astype(np.float32)}
    expected, found = (
        onnxruntime.InferenceSession(each.SerializeToString()).run(None, image)[0] for each in (proto, told.model)
    )
    np.testing.assert_array_equal(found, expected)


def test_a_convolution_with_named_padding_lowers():
    model = network()
    conv = node(model, "n_stem_conv")
    conv.attribute.remove(next(entry for entry in conv.attribute if entry.name == "pads"))
    conv.attribute.append(helper.make_attribute("auto_pad", "SAME_UPPER"))
    assert_exact(model.model)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (padded([0, 0, 1, 1, 0, 0, 1, 1], mode="reflect"), "pads by mode reflect: only zeros lower"),
        (padded([0, 0, 1, 1, 0, 0, 1, 1], mode="edge"), "pads by mode edge: only zeros lower"),
        (padded([0, 0, 1, 1, 0, 0, 1, 1], value=0.5), "pads by a value that is not 0, or by amounts that the image"),
        (padded([0, 0, 1, 1, 0, 0, 1]), "pads by a value that is not 0, or by amounts that the image decides"),
        (padded([1, 0, 1, 1, 0, 0, 1, 1]), "adds images to the batch: only zeros around height, width and channels"),
    ],
)
def test_other_padding_is_a_sentence(model, sentence):
    with pytest.raises(LoweringError, match=rf"node pad \(Pad\) {sentence}"):
        lowered(model)


@pytest.mark.parametrize("domain", ["onnx.brevitas", "finn.custom_op.general"])
def test_quantizers_of_old_domains(domain):
    expected = network()
    old = copy.deepcopy(expected.model)
    for entry in old.graph.node:
        if entry.op_type == "Quant":
            entry.domain = domain
    old.opset_import.append(helper.make_opsetid(domain, 1))
    taken = normalise(ModelWrapper(old))
    assert {entry.domain for entry in taken.graph.node if entry.op_type == "Quant"} == {QONNX_DOMAIN}
    np.testing.assert_array_equal(execute_codes(lowered(taken), CODES), execute_codes(expected, CODES))


def test_files_of_an_old_opset_are_raised():
    model = copy.deepcopy(network().model)
    next(entry for entry in model.opset_import if entry.domain == "").version = 11
    taken = normalise(ModelWrapper(model))
    assert next(entry.version for entry in taken.model.opset_import if entry.domain == "") >= 13
    np.testing.assert_array_equal(execute_codes(lowered(taken), CODES), execute_codes(network(), CODES))


# -- QCDQ and channels last --------------------------------------------------------------------------------------------


def as_qcdq(model):
    model = model.transform(QuantToQCDQ())
    assert not model.get_nodes_by_op_type("Quant")
    return model


def test_qcdq_is_taken():
    model = as_qcdq(network(lambda net, tensor: net.conv_bn(tensor, 4, 3, "more")))
    assert_exact(model.model)
    graph = GraphEditor(normalise(model))
    assert graph.constants[graph.producer("more_w").input[3]] == 4  # bits: what the codes need, not their container's


def test_qcdq_of_folded_weights_with_a_scale_of_each_channel_and_without_zero_points():
    model = as_qcdq(network())
    dequantize = next(entry for entry in model.graph.node if entry.output[0] == "stem_w")
    codes = np.random.default_rng(1).integers(-7, 8, (4, 3, 3, 3)).astype(np.int8)
    scale = np.array([1, 2, 1, 0.5], np.float32) / 64
    model.graph.initializer.extend(
        [numpy_helper.from_array(codes, "codes"), numpy_helper.from_array(scale, "channel_scales")]
    )
    dequantize.input[:] = ["codes", "channel_scales"]
    del dequantize.attribute[:]
    dequantize.attribute.append(helper.make_attribute("axis", 0))
    assert_exact(model.model)


def with_activation_scale(scale, axis=None):
    """A QCDQ network whose stem's activations have the scale ``scale`` and no zero point."""
    model = as_qcdq(network())
    dequantize = next(entry for entry in model.graph.node if entry.output[0] == "stem_act")
    quantize = model.find_producer(model.find_producer(dequantize.input[0]).input[0])
    model.set_initializer("scale", np.array(scale, np.float32))
    for entry in (quantize, dequantize):
        entry.input[:] = [entry.input[0], "scale"]
        if axis is not None:
            entry.attribute.append(helper.make_attribute("axis", axis))
    return model


@pytest.mark.parametrize(("scale", "axis"), [([2.0**-3], None), (2.0**-3, 1)])
def test_qcdq_of_activations_with_one_scale_as_a_list_or_with_an_axis_and_without_zero_points(scale, axis):
    assert_exact(with_activation_scale(scale, axis).model)


def test_qcdq_of_activations_with_a_scale_a_channel():
    assert_exact(with_activation_scale([2.0**-3] * 4, 1).model)


@pytest.mark.parametrize(("kind", "zero_point"), [(np.int8, -128), (np.uint8, 128)])
def test_zero_points_of_half_the_range_only_move_codes(kind, zero_point):
    model = as_qcdq(network())
    dequantize = next(entry for entry in model.graph.node if entry.output[0] == "stem_act")
    clip = model.find_producer(dequantize.input[0])
    quantize = model.find_producer(clip.input[0])
    model.graph.node.remove(clip)
    dequantize.input[0] = quantize.output[0]
    model.set_initializer("moved", np.array(zero_point, kind))
    quantize.input[2] = dequantize.input[2] = "moved"
    assert_exact(model.model)


def test_weights_around_a_zero_point():
    model = as_qcdq(network())
    dequantize = next(entry for entry in model.graph.node if entry.output[0] == "stem_w")
    codes = np.random.default_rng(1).integers(121, 136, (4, 3, 3, 3)).astype(np.uint8)
    for name, value in (("codes", codes), ("step", np.float32(2.0**-6)), ("zero", np.uint8(128))):
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    dequantize.input[:] = ["codes", "step", "zero"]
    assert_exact(model.model)


def test_quantizers_of_another_domain_need_no_inferred_type():
    model = as_qcdq(network())
    for entry in model.graph.node:
        if entry.op_type in ("QuantizeLinear", "DequantizeLinear"):
            entry.domain = "com.microsoft"
    assert not normalise(model).get_nodes_by_op_type("QuantizeLinear")


def test_clip_that_is_no_range_of_bits_is_a_sentence():
    model = as_qcdq(network())
    clip = next(model.find_producer(entry.input[0]) for entry in model.graph.node if entry.output[0] == "stem_act")
    model.set_initializer(clip.input[2], np.uint8(10))
    with pytest.raises(
        LoweringError, match=r"\(Clip\) clips codes to 0 to 10, which is not a range of 4 unsigned bits"
    ):
        normalise(model)


@pytest.mark.parametrize("sizes_told", [True, False])
@pytest.mark.parametrize("image_too", [False, True])
def test_channels_last_is_turned_back(image_too, sizes_told):
    def change(net, tensor):
        low = net.conv_bn(net.pool(tensor, "low"), 4, 3, "more", scale=net.scales[tensor])
        return net.add(low, net.pool(tensor, "other"), 2.0**-1, name="sum", relu=True)

    net = synthetic.Net(seed=6)
    stem = change(net, net.conv_bn(net.image(), 4, 3, "stem", bits=8))
    net.head(stem)
    del net.nodes[-1].input[2]
    model = net.model("logits", 16, 16)
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, 1, 8, 8)))
    expected = execute_codes(model, CODES)
    for name in [entry.name for entry in model.graph.node if entry.op_type == "MaxPool"]:
        node(model, name).attribute.append(helper.make_attribute("pads", [0, 0, 0, 0]))
    for name, value in (("strides", [1, 1]), ("dilations", [1, 1]), ("group", 1)):
        node(model, "n_logits").attribute.append(helper.make_attribute(name, value))
    last = model.transform(GiveUniqueNodeNames()).transform(GiveReadableTensorNames())
    last = last.transform(ConvertToChannelsLastAndClean(make_input_channels_last=image_too))
    assert {entry.domain for entry in last.graph.node if entry.op_type == "Conv"} == {"qonnx.custom_op.channels_last"}
    if not sizes_told:
        del last.graph.value_info[:]
    taken = normalise(last)
    assert "Transpose" not in {entry.op_type for entry in taken.graph.node}
    np.testing.assert_array_equal(execute_codes(taken, CODES), expected)
    np.testing.assert_array_equal(execute_codes(lowered(taken), CODES), expected)


def test_constants_of_channels_last_images_of_any_rank_are_turned():
    factors = np.array([1, 2, 0.5, 4], np.float32)

    def change(net, tensor):
        for name, shape in (("vector", (4,)), ("row", (1, 4)), ("whole", (1, 1, 1, 4))):
            net.constants.append(numpy_helper.from_array(factors.reshape(shape), f"{name}_factors"))
            tensor = net.node("Mul", [tensor, f"{name}_factors"], name)
        return net.quant(tensor, 2.0**-3)

    def last(net, tensor):
        turned = net.node("Transpose", [tensor], "turned", perm=[0, 2, 3, 1])
        net.scales["back"] = 2.0**-3
        return net.node("Transpose", [change(net, turned)], "back", perm=[0, 3, 1, 2])

    def first(net, tensor):
        net.constants.append(numpy_helper.from_array((factors**3).reshape(1, 4, 1, 1), "factors"))
        return net.quant(net.node("Mul", [tensor, "factors"], "whole"), 2.0**-3)

    taken, expected = (normalise(network(changed)) for changed in (last, first))
    assert "Transpose" not in {entry.op_type for entry in taken.graph.node}
    np.testing.assert_array_equal(execute_codes(taken, CODES), execute_codes(expected, CODES))


def test_a_concatenation_along_channels_counted_from_the_end():
    def change(net, tensor):
        other = net.conv_bn(tensor, 4, 3, "other", scale=net.scales[tensor])
        return net.concat(tensor, other, "both")

    model = network(change)
    concat = node(model, "n_both")
    del concat.attribute[:]
    concat.attribute.append(helper.make_attribute("axis", -3))
    assert_exact(model.model)


def test_transposes_that_are_not_each_other_s_inverse_stay():
    def change(net, tensor):
        turned = net.node("Transpose", [tensor], "turned", perm=[0, 1, 3, 2])
        twice = net.node("Mul", [turned, net.const("two", 2.0)], "twice")
        back = net.node("Transpose", [twice], "back", perm=[0, 3, 1, 2])
        return net.quant(back, 2.0**-3)

    with pytest.raises(LoweringError, match=r"node n_turned \(Transpose\) is a channels-last form that could not be"):
        lowered(network(change, channels=16))


def test_transpose_that_stays_is_a_sentence():
    def change(net, tensor):
        net.scales["turned"] = net.scales[tensor]
        return net.node("Transpose", [tensor], "turned", perm=[0, 1, 3, 2])

    with pytest.raises(LoweringError, match=r"node n_turned \(Transpose\) is a channels-last form that could not be"):
        lowered(network(change))


# -- what check and build say alike ------------------------------------------------------------------------------------


def test_convolution_of_one_dimension_says_so(tmp_path):
    net = synthetic.Net(seed=3)
    net.channels["image"] = 2
    image = net.quant("image", 2.0**-8, bits=8, name="image_q")
    net.weights("line", (1, 2, 3), 4)
    net.node("Conv", [image, "line_w"], "logits", kernel_shape=[3], pads=[1, 1])
    graph = helper.make_graph(
        net.nodes, "line", [helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 2, 64))],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, 1, 64))], net.constants,
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "line.onnx")
    refused = [verdict for verdict in check(tmp_path / "line.onnx") if not verdict.lowers]
    assert refused[0].reason == "it is a 1D convolution: only 2D ones lower, of images (1, channels, height, width)"


def test_sum_of_unlike_shapes_is_refused_by_both(tmp_path):
    def change(net, tensor):
        one = net.conv_bn(tensor, 1, 1, "one", scale=net.scales[tensor])
        return net.add(tensor, one, 2.0**-1, name="sum")

    model = network(change)
    model.save(str(tmp_path / "sum.onnx"))
    sentence = "adds images of unlike shapes, 4x16x16 and 1x16x16: only equal ones add"
    verdicts = check(tmp_path / "sum.onnx")
    assert not lowers(verdicts)
    assert any(sentence in verdict.reason for verdict in verdicts)
    with pytest.raises(LoweringError, match=sentence):
        lowered(model)


# -- files -------------------------------------------------------------------------------------------------------------


def with_external_data(model, folder):
    path = folder / "model.onnx"
    onnx.save(
        model.model, path, save_as_external_data=True, all_tensors_to_one_file=True, location="weights.data",
        size_threshold=0,
    )  # fmt: skip
    return path


def test_external_data_are_loaded(tmp_path):
    expected = onnx_oracle.output_of(network().model, CODES)
    taken = load_network(with_external_data(network(), tmp_path))
    np.testing.assert_array_equal(execute_codes(taken, CODES)[0] * np.float32(scales(taken)[1]), expected)


def test_missing_external_data_are_named(tmp_path):
    path = with_external_data(network(), tmp_path)
    (tmp_path / "weights.data").unlink()
    with pytest.raises(BuildError, match=r"keeps tensor \w+ in the file 'weights.data' beside it, which is missing"):
        load_network(path)


def test_external_data_that_are_cut_off_are_named(tmp_path):
    path = with_external_data(network(), tmp_path)
    (tmp_path / "weights.data").write_bytes(b"short")
    with pytest.raises(BuildError, match=r"'weights.data' beside it does not hold tensor \w+ as the model says"):
        load_network(path)


def test_intake_twice_is_intake_once():
    model = network(lambda net, tensor: net.quant(net.node("Identity", [tensor], "same"), 2.0**-3))
    once = normalise(model)
    before = once.model.SerializeToString(deterministic=True)
    assert normalise(once).model.SerializeToString(deterministic=True) == before


def test_shapes_of_a_foreign_operator_stay_as_told():
    model = network()
    odd = node(model, "n_stem_relu")
    odd.op_type, odd.domain = "Frobnicate", "somewhere.else"
    assert GraphEditor(normalise(model)).shapes["stem_relu"] == (1, 4, 16, 16)


def test_inferred_shapes_are_those_of_qonnx():
    model = network(lambda net, tensor: net.upsample(net.pool(tensor, "low"), "up"))
    told = GraphEditor(model.transform(InferShapes())).shapes
    found = GraphEditor(normalise(model)).shapes
    assert {"image", "low", "up", "logits"} <= set(found)
    assert found == {name: told[name] for name in found}
