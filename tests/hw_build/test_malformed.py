"""Files whose nodes, shapes or constants contradict each other: one sentence of `check` and `build` alike."""

import copy

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from hw_build.base.errors import LoweringError
from hw_build.cli.main import main
from hw_build.flow.check import check, refuse
from hw_build.lowering import lowering_steps
from hw_build.lowering.intake import load_network
from tests.hw_build import synthetic


def network():
    net = synthetic.Net(seed=4)
    return net.model(net.head(net.conv_bn(net.image(), 4, 3, "stem", bits=8)), 16, 16).model


def node(model, name):
    return next(entry for entry in model.graph.node if entry.name == name)


def constant(model, name, value):
    entry = next(entry for entry in model.graph.initializer if entry.name == name)
    entry.CopyFrom(numpy_helper.from_array(np.asarray(value, np.float32), name))


def attribute(model, name, **values):
    entry = node(model, name)
    kept = [one for one in entry.attribute if one.name not in values]
    del entry.attribute[:]
    entry.attribute.extend([*kept, *(helper.make_attribute(*pair) for pair in values.items() if pair[1] is not None)])


def input_of(model, name, index, tensor):
    node(model, name).input[index] = tensor


def with_the_domain(model, name, domain):
    node(model, name).domain = domain
    model.opset_import.append(helper.make_opsetid(domain, 1))


def opset(model, version):
    model.opset_import[0].version = version


def shape(model, *sizes):
    image = model.graph.input[0]
    image.CopyFrom(helper.make_tensor_value_info(image.name, TensorProto.FLOAT, sizes))


WRONG = {
    "float dilations": (
        lambda model: attribute(model, "n_stem_conv", dilations=1.5),
        r"node n_stem_conv \(Conv\) is not as ONNX defines it \(Mismatched attribute type in 'n_stem_conv : dil",
    ),
    "an attribute too many": (
        lambda model: attribute(model, "n_stem_relu", strides=[1, 1]),
        r"node n_stem_relu \(Relu\) is not as ONNX defines it \(Unrecognized attribute: strides",
    ),
    "an input too many": (
        lambda model: node(model, "n_stem_relu").input.append("stem_bn"),
        r"node n_stem_relu \(Relu\) is not as ONNX defines it \(Node\(n_stem_relu\) .* has input size 2",
    ),
    "Quant without a bit width": (
        lambda model: node(model, "n_stem_act").input.pop(),
        r"node n_stem_act \(Quant\) must have a tensor, a scale, a zero point and a bit width as inputs",
    ),
    "Quant without narrow": (
        lambda model: attribute(model, "n_stem_act", narrow=None),
        r"node n_stem_act \(Quant\) needs the attribute narrow, 0 or 1",
    ),
    "a rounding that is a number": (
        lambda model: attribute(model, "n_stem_act", rounding_mode=3),
        r"node n_stem_act \(Quant\) has a rounding_mode that is no text",
    ),
    "a scale without a value": (
        lambda model: constant(model, "stem_act_s", np.zeros(0)),
        r"n_stem_act \(Quant\) has (a scale without a value|0 bit widths)|contradict each other",
    ),
    "values that are no numbers": (
        lambda model: constant(model, "stem_g", [1, 2, np.nan, 1]),
        r"node n_stem_bn \(BatchNormalization\):? (it )?reads stem_g, which holds NaN, infinity or text",
    ),
    "BN of three channels": (
        lambda model: constant(model, "stem_m", [1, 2, 3]),
        r"stem_bn \(BatchNormalization\):? (it )?has a mean of 3 values for 4 channels|contradict each other",
    ),
    "BN by an activation": (
        lambda model: input_of(model, "n_stem_bn", 2, "stem_conv"),
        r"(BatchNormalization\):? (it )?has a shift that is not a constant)|contradict each other",
    ),
    "weights for other channels": (
        lambda model: constant(model, "stem_float", np.ones((4, 2, 3, 3))),
        r"n_stem_conv \(Conv\):? (it )?has weights for 2 channels, its input has 3|contradict each other",
    ),
    "a bias that is an activation": (
        lambda model: input_of(model, "n_logits", 2, "stem_act"),
        r"n_logits \(Conv\):? (it )?has a bias stem_act that is not a constant",
    ),
    "a bias of another length": (
        lambda model: constant(model, "head_bias", [1, 2]),
        r"n_logits \(Conv\):? (it )?has a bias of 2 values for 1 output channels|contradict each other",
    ),
    "shapes that contradict each other": (
        lambda model: constant(model, "stem_float", np.ones(4)),
        r"shapes or types in the graph contradict each other",
    ),
    "an operator in another's domain": (
        lambda model: with_the_domain(model, "n_stem_bn", "qonnx.custom_op.general"),
        r"BatchNormalization\):? (it )?is not supported; supported are",
    ),
    "an opset of the future": (
        lambda model: opset(model, 99),
        r"the network is of opset 99, but onnx knows 1 to \d+: export it with opset 13 to",
    ),
    "a size below zero": (
        lambda model: shape(model, 1, 3, -16, 16),
        r"the input image has shape \(1, 3, -16, 16\) \(0 where undefined\): export with fixed sizes",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_check_and_build_say_the_same_sentence(kind, tmp_path, capsys):
    spoil, sentence = WRONG[kind]
    model = network()
    spoil(model)
    path = tmp_path / "any.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(LoweringError, match=sentence):
        refuse(check(path))
    with pytest.raises(LoweringError, match=sentence):
        lowered = load_network(path)
        for step in lowering_steps():
            lowered = step.run(copy.deepcopy(lowered))
    assert main(["adopt", str(path), "--out", str(tmp_path / "export")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "a defect" not in line
