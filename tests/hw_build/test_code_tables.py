"""Functions of codes as tables: each form that exporters write is exact after every step, for all channels and each."""

import copy

import numpy as np
import onnxruntime
import pytest
from onnx import helper

from hw_build.base.errors import LoweringError
from hw_build.flow.check import check
from hw_build.graph.editor import GraphEditor
from hw_build.graph.evaluation import evaluate
from hw_build.lowering import STEPS, verify
from hw_build.lowering.intake import normalise
from tests.hw_build import synthetic
from tests.hw_build.test_intake import CODES, assert_exact

SCALE = 2.0**-2


def network(function, *, bits=5, signed=True, out_bits=4, out_signed=False, scale=SCALE, opset=20, channels=4):
    """image -> convolution -> code -> ``function(net, code)`` -> quantizer -> convolution -> head."""
    net = synthetic.Net(seed=5)
    net.act_bits = bits
    code = net.conv_bn(net.image(), channels, 3, "stem", bits=8, relu=not signed, scale=scale)
    net.act_bits = 4
    after = function(net, code)
    quantized = net.quant(after, 2.0**-3, bits=out_bits, signed=int(out_signed), name="after_q")
    net.head(net.conv_bn(quantized, 4, 3, "last"))
    del net.nodes[-1].input[2]
    model = net.model("logits", 16, 16)
    model.model.opset_import[0].version = opset
    return model


def node(op, **attributes):
    return lambda net, x: net.node(op, [x], "f", **attributes)


def gate(op, **attributes):
    """x * op(x)."""
    return lambda net, x: net.node("Mul", [x, net.node(op, [x], "gate", **attributes)], "f")


def clipped(net, x):
    """x * Clip(x + 3, 0, 6) / 6."""
    shifted = net.node("Add", [x, net.const("three", 3.0)], "shifted")
    limits = [net.const("low", 0.0), net.const("high", 6.0)]
    product = net.node("Mul", [x, net.node("Clip", [shifted, *limits], "relu6")], "product")
    return net.node("Div", [product, net.const("six", [[[[6.0]]]])], "f")


def gelu_by_erf(net, x):
    part = net.node("Erf", [net.node("Div", [x, net.const("root", 2.0**0.5)], "by_root")], "erf")
    one = net.node("Add", [part, net.const("one", [1.0])], "one_more")
    return net.node("Mul", [net.node("Mul", [x, one], "product"), net.const("half", 0.5)], "f")


def gelu_by_tanh(net, x):
    cube = net.node("Mul", [net.node("Pow", [x, net.const("cube", 3.0)], "cubed"), net.const("c", 0.044715)], "small")
    inner = net.node("Mul", [net.node("Add", [x, cube], "inner"), net.const("root", (2 / np.pi) ** 0.5)], "scaled")
    one = net.node("Add", [net.node("Tanh", [inner], "tanh"), net.const("one", 1.0)], "one_more")
    return net.node("Mul", [net.node("Mul", [x, one], "product"), net.const("half", 0.5)], "f")


def mish(net, x):
    return net.node("Mul", [x, net.node("Tanh", [net.node("Softplus", [x], "soft")], "tanh")], "f")


def prelu(net, x):
    return net.node("PRelu", [x, net.const("slopes", np.array([0.25, -0.5, 0.0, 1.5]).reshape(4, 1, 1))], "f")


def swish_and_bn(net, x):
    """As Mobile-CMUNeXt has it: activation before BN."""
    parts = [
        net.const(f"bn_{i}", v) for i, v in enumerate(([1.5, -1, 0.5, 2], [0.1, 0.7, 0, -0.2], [0.2] * 4, [1.3] * 4))
    ]
    return net.node("BatchNormalization", [net.node("HardSwish", [x], "swish"), *parts], "f", epsilon=1e-5)


def reciprocal(net, x):
    net.channels["two"] = net.channels[x]
    return net.node("Div", [net.const("two", 2.0), net.node("Exp", [x], "e")], "f")


def negated(net, x):
    return net.node("Mul", [x, net.const("factors", np.array([-1, 1, -2, 0.5]).reshape(1, 4, 1, 1))], "f")


FORMS = {
    "hard_swish": node("HardSwish"),
    "hard_swish_of_hard_sigmoid": gate("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_swish_of_clip": clipped,
    "silu": gate("Sigmoid"),
    "gelu": node("Gelu"),
    "gelu_tanh": node("Gelu", approximate="tanh"),
    "gelu_by_erf": gelu_by_erf,
    "gelu_by_tanh": gelu_by_tanh,
    "mish": mish,
    "sigmoid": node("Sigmoid"),
    "tanh": node("Tanh"),
    "elu": node("Elu", alpha=0.7),
    "softplus": node("Softplus"),
    "leaky_relu_that_falls": node("LeakyRelu", alpha=-0.3),
    "prelu": prelu,
    "swish_and_bn": swish_and_bn,
    "negated": negated,
    "square": lambda net, x: net.node("Mul", [x, x], "f"),
    "reciprocal": reciprocal,
}
QUICK = ("hard_swish_of_hard_sigmoid", "gelu", "gelu_by_erf", "prelu", "swish_and_bn", "negated")


def tables(model):
    for step in STEPS:
        model = step.run(model)
    return [each for each in GraphEditor(model).nodes if each.op_type == "CodeTable_rtl"]


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FORMS]
)
def test_forms(name):
    model = network(FORMS[name])
    assert len(tables(normalise(copy.deepcopy(model)))) == 1
    assert_exact(model.model)


@pytest.mark.parametrize(
    ("settings", "opset"),
    [
        ({"bits": 8, "out_bits": 8, "scale": 2.0**-5}, 14),
        ({"signed": False, "out_signed": True}, 17),
        pytest.param({"bits": 3, "out_bits": 2, "out_signed": True}, 17, marks=pytest.mark.slow),
        pytest.param({"bits": 8, "signed": False, "out_bits": 6, "scale": 0.0437}, 17, marks=pytest.mark.slow),
    ],
)
def test_widths_signs_and_scales(settings, opset, tmp_path):
    model = normalise(network(FORMS["silu"], opset=opset, **settings))
    for step in STEPS:
        before, model = model, step.run(copy.deepcopy(model))
        assert verify(before, model, CODES, tmp_path, step.name) > 0


def test_words_are_what_onnxruntime_gives():
    model = network(FORMS["silu"], out_bits=8, out_signed=True)
    (table,) = tables(normalise(copy.deepcopy(model)))
    lowered = normalise(copy.deepcopy(model))
    for step in STEPS:
        lowered = step.run(lowered)
    words = GraphEditor(lowered).constants[table.input[1]]
    codes = (np.arange(-16, 16) * SCALE).astype(np.float32)
    x = helper.make_tensor_value_info("x", 1, [32])
    nodes = [helper.make_node("Sigmoid", ["x"], ["s"]), helper.make_node("Mul", ["x", "s"], ["y"])]
    graph = helper.make_graph(nodes, "silu", [x], [helper.make_tensor_value_info("y", 1, [32])])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    (found,) = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"x": codes})
    np.testing.assert_array_equal(words, np.clip(np.round(found / np.float32(2.0**-3)), -128, 127)[None])


def test_check_says_what_becomes_of_each(tmp_path):
    network(FORMS["silu"]).save(str(tmp_path / "model.onnx"))
    kernels = {verdict.node: verdict.kernel for verdict in check(tmp_path / "model.onnx")}
    assert kernels["n_after_q"] == "CodeTable_rtl"
    assert kernels["n_gate"] == kernels["n_f"] == "part of CodeTable_rtl"


def test_sum_of_codes_is_read_too():
    """A residual sum of 5 bits before the activation: the table reads the sum."""

    def change(net, x):
        other = net.quant(x, SCALE, bits=5, signed=1, name="again")
        total = net.node("Add", [x, other], "total")
        return net.node("Mul", [total, net.node("Sigmoid", [total], "gate")], "f")

    assert_exact(network(change).model)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda net, x: net.node("Log", [x], "f"),
            r"n_f \(Log\) gives no number for some codes of the output of n_stem_act",
        ),
        (
            lambda net, x: net.node("Pow", [x, net.const("e", np.full((16,), 2.0))], "f"),
            r"n_f \(Pow\) has a constant e of shape \(16,\) for 4 channels: one value, or one a channel",
        ),
        (
            lambda net, x: net.node("Mul", [x, net.const("e", np.full((4,), 2.0))], "f"),
            r"n_f \(Mul\) has a constant e of shape \(4,\) for 4 channels",
        ),
    ],
)
def test_refusals(change, sentence):
    model = network(change)
    with pytest.raises(LoweringError, match=sentence):
        tables(normalise(model))


def test_rounding_by_place_is_refused(monkeypatch):
    """Where the reference gives two answers for one code."""
    from hw_build.operators import code_table

    def by_place(graph, nodes, values):
        found = evaluate(graph, nodes, values)
        if next(iter(values.values())).shape[-1] == 1:
            found[nodes[-1].output[0]] = found[nodes[-1].output[0]] + 1
        return found

    monkeypatch.setattr(code_table, "evaluate", by_place)
    with pytest.raises(
        LoweringError, match=r"rounds code -?\d+ of the output of n_stem_act up or down by where it stands"
    ):
        tables(normalise(network(lambda net, x: net.node("Abs", [x], "f"), scale=2.0**-4)))
