"""Files that break ONNX' own rules, or hold numbers that are none: one sentence that names node, tensor or opset."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper

from hw_build.base.errors import BuildError, LoweringError
from hw_build.graph.editor import GraphEditor
from hw_build.lowering.intake import load_graph, normalise
from hw_build.lowering.rules import refusal
from tests.hw_build import synthetic


def network():
    net = synthetic.Net(seed=3)
    net.head(net.conv_bn(net.image(), 4, 3, "stem", bits=8))
    return net.model("logits", 16, 16)


def named(model, name):
    return next(entry for entry in model.graph.node if entry.name == name)


def set_attribute(node, name, value):
    for entry in [entry for entry in node.attribute if entry.name == name]:
        node.attribute.remove(entry)
    node.attribute.append(helper.make_attribute(name, value))


def without_inputs(model):
    del named(model, "n_stem_conv").input[1:]


def attribute_twice(model):
    node = named(model, "n_stem_conv")
    node.attribute.append(node.attribute[0])


def fractional_strides(model):
    set_attribute(named(model, "n_stem_conv"), "strides", [1.0, 1.0])


def weights_of_other_channels(model):
    weights = next(entry for entry in model.graph.initializer if entry.dims and len(entry.dims) == 4)
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights)[:, :2], weights.name))


def opset(version):
    def change(model):
        for entry in model.model.opset_import:
            if entry.domain in ("", "ai.onnx"):
                entry.version = version

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (without_inputs, r"node n_stem_conv \(Conv\) is not as ONNX defines it \(.*input size 1 .*\): export"),
        (attribute_twice, r"node n_stem_conv \(Conv\) is not as ONNX defines it"),
        (fractional_strides, r"node n_stem_conv \(Conv\) is not as ONNX defines it"),
        (opset(999), rf"the network is of opset 999, but onnx knows 1 to {onnx.defs.onnx_opset_version()}: export it"),
        (opset(0), r"the network is of opset 0, but onnx knows 1 to "),
        (weights_of_other_channels, r"shapes or types in the graph contradict each other \(.*\): export it again"),
    ],
)
def test_what_onnx_does_not_allow_is_refused(change, sentence):
    model = network()
    change(model)
    with pytest.raises(LoweringError, match=sentence):
        normalise(model)


@pytest.mark.parametrize(
    ("attribute", "value", "sentence"),
    [
        ("kernel_shape", [5, 5], r"says kernel_shape \[5, 5\], but its weights are 3x3: export again"),
        ("strides", [1], r"has strides \[1\]: a 2D convolution has 2 of them, none below 0"),
        ("pads", [-1, -1, -1, -1], r"has pads \[-1, -1, -1, -1\]: a 2D convolution has 4 of them, none below 0"),
        ("dilations", [1, 1, 1], r"has dilations \[1, 1, 1\]: a 2D convolution has 2 of them"),
    ],
)
def test_attributes_of_another_size_than_the_filters_are_refused(attribute, value, sentence):
    graph = GraphEditor(network())
    conv = next(node for node in graph.nodes if node.name == "n_stem_conv")
    assert refusal(graph, conv) is None
    set_attribute(conv, attribute, value)
    assert re.match(sentence, refusal(graph, conv))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("position", [0, 1], ids=["weights", "scale"])
def test_numbers_that_are_none_are_refused(value, position):
    graph = GraphEditor(network())
    quant = next(node for node in graph.nodes if node.op_type == "Quant" and node.input[0] in graph.constants)
    assert refusal(graph, quant) is None
    name = quant.input[position]
    graph.constants[name] = np.full_like(graph.constants[name], value)
    assert (
        refusal(graph, quant)
        == f"reads {name}, which holds NaN, infinity or text: export again, from weights that are finite"
    )


def test_a_quantizer_without_a_bit_width_is_refused():
    graph = GraphEditor(network())
    quant = next(node for node in graph.nodes if node.op_type == "Quant")
    graph.constants[quant.input[3]] = np.zeros(0)
    assert refusal(graph, quant) == "has 0 bit widths and 1 zero points: one bit width and a zero point lower"


def saved(tmp_path, change):
    proto = network().model
    change(proto.graph)
    onnx.save(proto, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda graph: graph.output.append(graph.output[0]), r"has two inputs and outputs of the name "),
        (lambda graph: graph.output.append(graph.input[0]), r"has two inputs and outputs of the name "),
        (lambda graph: graph.initializer.append(graph.initializer[0]), r"has two constants of the name "),
    ],
)
def test_names_that_stand_for_two_things_are_refused(tmp_path, change, sentence):
    with pytest.raises(BuildError, match=sentence):
        load_graph(saved(tmp_path, change))


def test_a_shape_that_is_told_twice_is_no_matter(tmp_path):
    def told_twice(graph):
        graph.value_info.append(graph.output[0])
        graph.value_info.append(helper.make_tensor_value_info("spare", TensorProto.FLOAT, [1]))
        graph.value_info.append(graph.value_info[-1])

    model = load_graph(saved(tmp_path, told_twice))
    assert isinstance(model, ModelWrapper)
    names = [value.name for value in [*model.graph.value_info, *model.graph.output]]
    assert len(set(names)) == len(names)
