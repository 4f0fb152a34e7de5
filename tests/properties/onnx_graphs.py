"""Random ONNX files: a small network of the kinds that lower, then a few things changed as no exporter would."""

import numpy as np
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from tests.hw_build.test_check_agrees import random_network

OPERATORS = [
    *("Conv", "BatchNormalization", "Relu", "Clip", "LeakyRelu", "PRelu", "HardSigmoid", "Quant", "MaxPool", "Resize"),
    *(
        "Add",
        "Mul",
        "Sub",
        "Div",
        "Concat",
        "Identity",
        "Sigmoid",
        "Softmax",
        "Transpose",
        "Pad",
        "AveragePool",
        "Cast",
    ),
    *("GlobalAveragePool", "ConvTranspose", "Upsample", "Flatten", "Constant", "Dropout", "QuantizeLinear", "Nothing"),
    *("BipolarQuant", "Trunc", "Split", "Shape", "MatMul", "Neg", "Max"),
]
ATTRIBUTES = ["group", "strides", "dilations", "pads", "auto_pad", "axis", "signed", "narrow", "what"]
INTEGERS = st.sampled_from([-1, 0, 1, 2, 3, 4, 5, 7, 100, 2**31])
FLOATS = st.sampled_from([0.0, -1.0, 0.1, 0.3, 1.0, 3.0, 1e-30, 1e30, float("nan"), float("inf")])
TYPES = st.sampled_from([np.float32, np.float64, np.float16, np.int64, np.int8, np.uint8, bool])
WORDS = st.sampled_from(["", "linear", "nearest", "cubic", "SAME_UPPER", "half_pixel", "CEIL", "ROUND", "what", "é"])


def change_attribute(draw, graph):
    node = draw(st.sampled_from(list(graph.node)))
    names = [attribute.name for attribute in node.attribute]
    name = draw(
        st.sampled_from([*names, "group", "strides", "dilations", "pads", "auto_pad", "axis", "signed", "what"])
    )
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    value = draw(st.one_of(st.none(), INTEGERS, FLOATS, WORDS, st.lists(INTEGERS, min_size=1, max_size=4)))
    del node.attribute[:]
    node.attribute.extend(kept)
    if value is not None:
        node.attribute.append(helper.make_attribute(name, value))


def change_operator(draw, graph):
    node = draw(st.sampled_from(list(graph.node)))
    node.op_type = draw(st.sampled_from(OPERATORS))
    node.domain = draw(st.sampled_from([node.domain, node.domain, "", "qonnx.custom_op.general", "com.example"]))


def remove_node(draw, graph):
    node = draw(st.sampled_from(list(graph.node)))
    if draw(st.booleans()):
        for reader in graph.node:
            reader.input[:] = [node.input[0] if name == node.output[0] else name for name in reader.input]
    graph.node.remove(node)


def _tensors(graph):
    made = [name for node in graph.node for name in node.output]
    return [*made, *(entry.name for entry in (*graph.initializer, *graph.input)), "", "nowhere"]


def rewire(draw, graph):
    """An input of a node becomes any other tensor: of another shape, of a later node, or of none."""
    node = draw(st.sampled_from([node for node in graph.node if node.input]))
    node.input[draw(st.integers(0, len(node.input) - 1))] = draw(st.sampled_from(_tensors(graph)))


def change_inputs(draw, graph):
    node = draw(st.sampled_from(list(graph.node)))
    if draw(st.booleans()) and node.input:
        del node.input[-1]
    else:
        node.input.append(draw(st.sampled_from(_tensors(graph))))


def change_constant(draw, graph):
    entry = draw(st.sampled_from(list(graph.initializer)))
    value = numpy_helper.to_array(entry)
    how = draw(st.sampled_from(["fill", "one", "type", "shape", "empty", "scalar", "gone"]))
    if how == "gone":
        graph.initializer.remove(entry)
        return
    with np.errstate(all="ignore"):
        if how == "fill":
            value = np.full_like(value, draw(FLOATS))
        elif how == "one" and value.size:
            value = value.copy()
            value.flat[draw(st.integers(0, value.size - 1))] = draw(FLOATS)
        elif how == "type":
            value = value.astype(draw(TYPES))
        elif how == "shape":
            value = value.reshape(draw(st.sampled_from([(-1,), (1, -1), (*value.shape, 1), (-1, 1, 1)])))
        elif how == "empty":
            value = np.zeros((0,), value.dtype)
        elif how == "scalar" and value.size:
            value = value.flat[0]
    entry.CopyFrom(numpy_helper.from_array(np.asarray(value), entry.name))


def change_border(draw, graph):
    """Shape or type of the input or of the output."""
    value = draw(st.sampled_from([graph.input[0], graph.output[0]]))
    sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    if sizes and draw(st.booleans()):
        sizes[draw(st.integers(0, len(sizes) - 1))] = draw(st.sampled_from([0, 1, 2, 3, 5, 8, 17, 24, None, "n", -1]))
    else:
        sizes = draw(st.sampled_from([None, [], [16], [1, 3, 16], [1, 3, 16, 16, 1], sizes]))
    kind = draw(st.sampled_from([TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.UINT8, TensorProto.DOUBLE]))
    value.CopyFrom(helper.make_tensor_value_info(value.name, kind, sizes))


def rename(draw, graph):
    """A tensor or a node gets the name of another, or none."""
    node = draw(st.sampled_from(list(graph.node)))
    if draw(st.booleans()):
        node.name = draw(st.sampled_from(["", "a/b", "../x", "é", graph.node[0].name, "x" * 300]))
    else:
        node.output[0] = draw(st.sampled_from(_tensors(graph)))


def forget_shapes(draw, graph):
    del graph.value_info[:]


CHANGES = [
    *(change_attribute, change_operator, remove_node, rewire, change_inputs, change_constant, change_border, rename),
    forget_shapes,
]


@st.composite
def graphs(draw, *, most=2):
    """A model after up to ``most`` changes."""
    model = random_network(draw(st.integers(0, 5000))).model
    for _ in range(draw(st.integers(0, most))):
        if model.graph.node:
            draw(st.sampled_from(CHANGES))(draw, model.graph)
    if draw(st.integers(0, 9)) == 0:
        model.opset_import[0].version = draw(st.sampled_from([1, 7, 9, 11, 13, 18, 22, 99]))
    return model
