"""Each sentence with which the lowering refuses a network, and a node named in each."""

import numpy as np
import pytest
from onnx import helper

from hw_build.base.errors import LoweringError
from hw_build.lowering import STEPS
from tests.hw_build import synthetic


def network(change=None, *, out=4, **options):
    """image -> conv 3x3 -> [change(net, tensor) -> tensor] -> head; ``change`` may put anything between."""
    net = synthetic.Net(**options)
    current = net.conv_bn(net.image(), out, 3, "stem", bits=8)
    if change is not None:
        current = change(net, current)
    return net.model(net.head(current), 16, 16)


def lower(model):
    for step in STEPS:
        model = step.run(model)
    return model


def node(model, name):
    return next(entry for entry in model.graph.node if entry.name == name)


def set_attribute(model, name, **attributes):
    target = node(model, name)
    kept = [entry for entry in target.attribute if entry.name not in attributes]
    del target.attribute[:]
    target.attribute.extend([*kept, *(helper.make_attribute(key, value) for key, value in attributes.items())])
    return model


def operator_between(operator, **attributes):
    """Between a convolution's sums and a quantizer."""

    def change(net, tensor):
        weight, _, _ = net.weights("raw", (4, 4, 1, 1), 4)
        sums = net.node("Conv", [tensor, weight], "raw_conv", kernel_shape=[1, 1])
        net.node(operator, [sums], "odd", **attributes)
        return net.quant("odd", 2.0**-3)

    return network(change)


def test_operator_that_no_kernel_has():
    with pytest.raises(LoweringError, match=r"node n_odd \(Hardmax\) is not supported; supported are .*Conv \(dense"):
        lower(operator_between("Hardmax", axis=1))


def test_quotient_of_two_activations():
    def change(net, tensor):
        other = net.conv_bn(tensor, 4, 1, "gate")
        net.node("Div", [tensor, other], "quotient")
        return net.quant("quotient", 2.0**-3)

    with pytest.raises(LoweringError, match=r"node n_quotient \(Div\) combines two activations: only their sum and"):
        lower(network(change))


def test_normalised_input():
    net = synthetic.Net()
    net.channels["image"] = 3
    net.node("Sub", ["image", net.const("mean", np.full((1, 3, 1, 1), 0.45))], "centred")
    net.node("Div", ["centred", net.const("deviation", np.full((1, 3, 1, 1), 0.22))], "normalised")
    current = net.conv_bn(net.quant("normalised", 2.0**-6, bits=8, signed=1), 4, 3, "stem")
    with pytest.raises(LoweringError, match=r"node n_centred \(Sub\) changes the image before its first Quant"):
        lower(net.model(net.head(current), 16, 16))


def test_input_without_quantizer():
    net = synthetic.Net()
    net.channels["image"], net.scales["image"] = 3, 2.0**-8
    with pytest.raises(LoweringError, match="input image is not quantized first: put Quant"):
        lower(net.model(net.head(net.conv_bn("image", 4, 3, "stem")), 16, 16))


def test_input_quantized_to_signed_codes():
    model = set_attribute(network(), "n_image_q", signed=1)
    with pytest.raises(LoweringError, match=r"node n_image_q \(Quant\) quantizes the image but not to 8 bits unsigned"):
        lower(model)


def test_groups_that_outputs_do_not_share():
    def change(net, tensor):
        weight, _, _ = net.weights("grouped", (3, 2, 3, 3), 4)
        net.node("Conv", [tensor, weight], "group2", kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=2)
        return net.quant("group2", 2.0**-3)

    with pytest.raises(LoweringError, match=r"node n_group2 \(Conv\) has group=2 for 3 outputs: groups must divide"):
        lower(network(change))


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"strides": [2, 1]}, r"has strides \[2, 1\]: only equal ones of height and width lower"),
        ({"auto_pad": "SAME_UPPER", "dilations": [2, 2]}, "pads by auto_pad=SAME_UPPER: export explicit pads"),
    ],
)
def test_convolution_geometry(attributes, sentence):
    with pytest.raises(LoweringError, match=rf"node n_stem_conv \(Conv\) {sentence}"):
        lower(set_attribute(network(), "n_stem_conv", **attributes))


def test_float_weights():
    model = network()
    stem = node(model, "n_stem_conv")
    stem.input[1] = "stem_float"
    with pytest.raises(LoweringError, match=r"node n_stem_conv \(Conv\) has float weights stem_float: put a"):
        lower(model)


@pytest.mark.parametrize(
    ("constant", "value", "sentence"),
    [
        ("stem_act_z", 3.0, "has zero point 3: only zero point 0 lowers"),
        ("stem_act_b", 12.0, "has bit width 12: an integer from 2 to 8 lowers"),
        ("stem_act_s", -1.0, "has a scale that is not positive"),
    ],
)
def test_quantizer_parameters(constant, value, sentence):
    model = network()
    model.set_initializer(constant, np.asarray(value, np.float32))
    with pytest.raises(LoweringError, match=rf"node n_stem_act \(Quant\) {sentence}"):
        lower(model)


def test_scales_of_channels_that_a_dense_convolution_does_not_take():
    model = network()
    model.set_initializer("stem_act_s", np.array([0.1, 0.17, 0.23, 0.31], np.float32).reshape(1, 4, 1, 1))
    sentence = r"gives 4 channels factors of their own, 0.1 to 0.31, which n_logits \(Conv\) does not take: a depthwise"
    with pytest.raises(LoweringError, match=sentence):
        lower(model)


def test_rounding_that_thresholds_do_not_have():
    with pytest.raises(LoweringError, match=r"node n_stem_act \(Quant\) rounds by STOCHASTIC: only ROUND, HALF_EVEN"):
        lower(set_attribute(network(), "n_stem_act", rounding_mode="STOCHASTIC"))


@pytest.mark.parametrize(
    ("scales", "attributes", "sentence"),
    [
        ([1, 1, 2, 4], {}, "resizes 8x8 to 16x32 by nearest: only a whole factor, the same"),
        ([1, 1, 2, 2], {"nearest_mode": "ceil"}, "resizes by nearest with half_pixel and ceil, which does not repeat"),
        (
            [1, 1, 4, 4],
            {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "round_prefer_floor"},
            "asymmetric and round_prefer_floor, which does not repeat each pixel 4 times",
        ),
    ],
)
def test_nearest_resize_that_repeats_no_pixel(scales, attributes, sentence):
    def change(net, tensor):
        pooled = net.pool(tensor, "pool")
        net.node("Resize", [pooled, "", net.const("scales", scales)], "near", mode="nearest", **attributes)
        return net.quant("near", 2.0**-3)

    with pytest.raises(LoweringError, match=rf"node n_near \(Resize\) .*{sentence}"):
        lower(network(change))


@pytest.mark.parametrize("factor", [0.5, 1])
def test_resize_that_does_not_enlarge(factor):
    def change(net, tensor):
        scales = net.const("factor", [1, 1, factor, factor])
        net.node("Resize", [tensor, "", scales], "near", mode="linear", coordinate_transformation_mode="half_pixel")
        return net.quant("near", 2.0**-3)

    with pytest.raises(
        LoweringError, match=r"n_near \(Resize\) resizes 16x16 to \d+x\d+ by linear: only a factor of 2, 4"
    ):
        lower(network(change))


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"kernel_shape": [3, 3], "strides": [1, 2], "pads": [1] * 4}, r"has kernel \[3, 3\] and strides \[1, 2\]: 2D"),
        ({"kernel_shape": [1, 1], "strides": [2, 2]}, r"has kernel \[1, 1\]: take it out"),
        (
            {"kernel_shape": [2, 3], "strides": [2, 2], "pads": [0, 1, 1, 1], "ceil_mode": 1},
            "has a last window that lies in padding alone",
        ),
    ],
)
def test_pools_that_do_not_lower(attributes, sentence):
    def change(net, tensor):
        net.node("MaxPool", [tensor], "pool3", **attributes)
        net.scales["pool3"] = net.scales[tensor]
        return "pool3"

    with pytest.raises(LoweringError, match=rf"node n_pool3 \(MaxPool\) {sentence}"):
        lower(network(change))


def test_convolution_of_what_is_not_quantized():
    def change(net, tensor):
        weight, _, _ = net.weights("raw", (4, 4, 1, 1), 4)
        net.node("Relu", [net.node("Conv", [tensor, weight], "raw_conv", kernel_shape=[1, 1])], "raw_relu")
        net.scales["raw_relu"] = 1.0
        return "raw_relu"

    with pytest.raises(LoweringError, match=r"n_logits \(Conv\) reads raw_relu, which is not quantized: put a Quant"):
        lower(network(change))


def test_bias_off_the_accumulator_s_grid():
    model = network()
    model.set_initializer("head_b_s", np.asarray(0.123456, np.float32))
    model.set_initializer("head_bias", np.asarray([0.123456 * 3], np.float32))
    with pytest.raises(
        LoweringError, match=r"n_logits_bias \(Add\) adds [\d.]+ accumulator steps: quantize the head's bias"
    ):
        lower(model)


def test_relu_at_the_output():
    net = synthetic.Net()
    logits = net.node("Relu", [net.head(net.conv_bn(net.image(), 4, 3, "stem", bits=8))], "out")
    with pytest.raises(LoweringError, match=r"n_out \(Relu\) ends the network in a Relu or in scales that"):
        lower(net.model(logits, 16, 16))


def test_two_outputs():
    model = network()
    known = next(entry for entry in model.graph.value_info if entry.name == "stem_act")
    model.graph.output.append(known)
    model.graph.value_info.remove(known)
    with pytest.raises(LoweringError, match="the network has 1 inputs and 2 outputs: one of each lowers"):
        lower(model)


def test_input_without_fixed_size():
    model = network()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    with pytest.raises(LoweringError, match=r"the input image has shape \(1, 3, 0, 16\) \(0 where undefined\): export"):
        lower(model)


def test_sigmoid_behind_the_logits():
    model = network(lambda net, tensor: tensor)
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(helper.make_node("Sigmoid", ["before"], ["logits"], name="n_end"))
    with pytest.raises(LoweringError, match=r"n_end \(Sigmoid\) ends the network .*so export the logits before it"):
        lower(model)
