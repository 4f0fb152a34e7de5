"""Curved activations right behind a convolution: pieces of its sums, exact for every sum, at every step and in RTL."""

import copy

import numpy as np
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from hw_build.base.errors import LoweringError
from hw_build.flow.check import check, lowers
from hw_build.graph.editor import GraphEditor
from hw_build.kernels.code_table.kernel import code_table_reference
from hw_build.kernels.multi_threshold import multi_threshold
from hw_build.lowering import execute_codes
from hw_build.lowering.intake import normalise
from hw_build.operators import pieces
from hw_build.simulate.accelerator import simulate
from hw_build.stitch import stitch
from tests.hw_build import synthetic
from tests.hw_build.test_code_tables import FORMS, node
from tests.hw_build.test_intake import CODES, assert_exact, lowered


def network(function, *, bits=4, signed=True, scale=2.0**-3, channels=4, gammas=None, opset=20, depthwise=False):
    """image -> convolution -> convolution, BN, ``function``, quantizer -> convolution -> head."""
    net = synthetic.Net(seed=5)
    stem = net.conv_bn(net.image(), channels, 3, "stem", bits=8)
    net.conv_bn(stem, channels, 3, "conv", gammas=gammas, depthwise=depthwise)
    del net.nodes[-2:]  # its Relu and quantizer
    quantized = net.quant(function(net, "conv_bn"), scale, bits=bits, signed=int(signed), name="after_q")
    net.head(net.conv_bn(quantized, 4, 3, "last"))
    del net.nodes[-1].input[2]
    model = net.model("logits", 16, 16)
    model.model.opset_import[0].version = opset
    return model


def kernels(model):
    return [each.op_type for each in lowered(normalise(copy.deepcopy(model))).graph.node]


CASES = [
    ("silu", {}, True),
    ("silu", {"signed": False}, False),
    ("silu", {"bits": 8, "scale": 2.0**-5}, True),
    ("gelu_by_erf", {"depthwise": True}, True),
    ("prelu", {"signed": False}, True),
    ("sigmoid", {"scale": 2.0**-6}, False),
]
QUICK = (0, 1, 4)


@pytest.mark.parametrize(
    ("name", "settings", "falls"),
    [case if at in QUICK else pytest.param(*case, marks=pytest.mark.slow) for at, case in enumerate(CASES)],
)
def test_steps_are_exact(name, settings, falls):
    model = network(FORMS[name], **settings)
    assert ("CodeTable_rtl" in kernels(model)) == falls
    assert_exact(model.model)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"signed": False}, {"bits": 8, "scale": 2.0**-5}], ids=str)
@pytest.mark.parametrize("name", FORMS)
def test_all_forms_are_exact(name, settings):
    assert_exact(network(FORMS[name], **settings).model)


@pytest.mark.parametrize(("operator", "bits"), [("Sigmoid", 4), pytest.param("HardSigmoid", 8, marks=pytest.mark.slow)])
def test_every_sum_has_the_code_that_onnxruntime_gives(operator, bits):
    """x*f(x) of BN of all sums from the lowest to the highest that weights and codes can make, in each channel."""
    gate = lambda net, x: net.node("Mul", [x, net.node(operator, [x], "gate")], "f")  # noqa: E731
    model = network(gate, bits=bits, scale=2.0**-4, gammas=[1.5, 0.7, -1.2, 2.0])
    before = GraphEditor(model)
    weights = np.round(before.constants["conv_float"] * 8)
    low, high = (15 * np.clip(side * weights, 0, None).sum(axis=(1, 2, 3)).astype(int) for side in (-1, 1))
    sums = np.stack([np.linspace(-a, b, 4096).round().astype(int) for a, b in zip(low, high, strict=True)])
    assert sums.shape[1] > (low + high).max()  # none is left out

    parts = [numpy_helper.from_array(before.constants[f"conv_{kind}"], f"conv_{kind}") for kind in "gbmv"]
    nodes = [each for each in before.nodes if each.output[0] in ("conv_bn", "gate", "f")]
    x, y = (helper.make_tensor_value_info(each, 1, [1, 4, 1, 4096]) for each in ("conv_conv", "f"))
    proto = helper.make_model(
        helper.make_graph(nodes, "part", [x], [y], parts), opset_imports=[helper.make_opsetid("", 17)]
    )
    proto.ir_version = 8
    real = (sums[None, :, None] * np.float32(2.0**-6)).astype(np.float32)  # of 3-bit fractions
    (found,) = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"conv_conv": real})
    expected = np.clip(np.round(found[0, :, 0] / np.float32(2.0**-4)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)

    after = GraphEditor(lowered(normalise(copy.deepcopy(model))))
    (table,) = after.of_type("CodeTable_rtl")
    conv = after.writer(table.input[0])
    assert after.constants[table.input[1]].shape[0] == 1  # channels that fall have been turned
    flipped = np.sign((after.constants[conv.input[1]] * weights.transpose(0, 2, 3, 1)).sum(axis=(1, 2, 3)))
    assert list(flipped) == [1, 1, -1, 1]
    index = multi_threshold((sums * flipped[:, None]).T, after.constants[conv.input[2]])
    codes = code_table_reference([index], [after.datatypes[table.input[0]]], after.constants[table.input[1]])
    np.testing.assert_array_equal(codes.T, expected)


def test_rtl_is_exact_under_stalls_and_check_names_its_kernels(tmp_path):
    model = network(node("HardSwish"), depthwise=True)
    model.save(str(tmp_path / "model.onnx"))
    verdicts = {verdict.node: verdict.kernel for verdict in check(tmp_path / "model.onnx")}
    assert (verdicts["n_conv_conv"], verdicts["n_after_q"]) == ("DepthwiseConv_rtl", "CodeTable_rtl")
    assert verdicts["n_f"] == "part of CodeTable_rtl"
    taken = normalise(copy.deepcopy(model))
    expected = execute_codes(taken, CODES)
    design = stitch(lowered(taken), tmp_path / "rtl")
    for seed, (idle, stall) in enumerate(((0.0, 0.0), (0.4, 0.4))):
        np.testing.assert_array_equal(simulate(design, CODES, idle=idle, stall=stall, seed=seed).logits, expected)


def two_readers(net, tensor):
    """A convolution that two BNs read, whose factors have both signs."""
    first = net.conv_bn(tensor, 4, 3, "own", gammas=[1, -1, 0.5, -2])
    twin = [net.const(f"twin_{kind}", value) for kind, value in (("g", [-1.0, 1, 1, 2]), ("b", [0.5, 0.2, 0, 1]))]
    more = net.node("BatchNormalization", ["own_conv", *twin, "own_m", "own_v"], "twin_bn", epsilon=1e-5)
    second = net.quant(net.node("Relu", [more], "twin_relu"), net.scales[first], name="twin_act")
    return net.add(first, second, 2.0**-2, name="both")


def negated_sum(net, tensor):
    """Of 9 bits, which no weights can turn."""
    other = net.quant(tensor, net.scales[tensor] / 16, bits=8, name="finer")
    total = net.node("Add", [net.quant(tensor, net.scales[tensor] / 16, bits=8, name="again"), other], "total")
    return net.quant(net.node("Mul", [total, net.const("minus", -1.0)], "negated"), 2.0**-4, signed=1, name="negated_q")


@pytest.mark.parametrize("change", [two_readers, negated_sum])
def test_sums_that_no_weights_can_turn(change):
    net = synthetic.Net(seed=3)
    current = change(net, net.conv_bn(net.image(), 4, 3, "stem", bits=8))
    net.head(net.conv_bn(current, 4, 3, "last"))
    del net.nodes[-1].input[2]
    assert_exact(net.model("logits", 16, 16).model)


@pytest.mark.parametrize(
    ("function", "settings", "limits", "sentence"),
    [
        (node("Sin"), {"scale": 2.0**-4}, {"MOST_PIECES": 8}, r"n_f \(Sin\) is .* whose code changes \d+ times over"),
        (node("Log"), {}, {}, r"n_f \(Log\) gives no number for some values of the output of n_conv_conv: keep"),
        (
            node("Sigmoid"), {}, {"MOST_VALUES": 100},
            r"n_f \(Sigmoid\) is .* which takes \d+ values in all channels, too many to execute: put a quantizer of at",
        ),
    ],
)  # fmt: skip
def test_refusals(function, settings, limits, sentence, monkeypatch, tmp_path):
    for name, value in limits.items():
        monkeypatch.setattr(pieces, name, value)
    model = network(function, **settings)
    model.save(str(tmp_path / "model.onnx"))
    assert not lowers(check(tmp_path / "model.onnx"))
    with pytest.raises(LoweringError, match=sentence):
        lowered(normalise(model))


def test_rounding_by_place_is_refused(monkeypatch):
    """Where the reference gives two answers for one sum."""
    evaluate = pieces.evaluate

    def by_place(graph, nodes, values):
        found = evaluate(graph, nodes, values)
        if next(iter(values.values())).shape[-1] == 1:
            found[nodes[-1].output[0]] = found[nodes[-1].output[0]] - 1
        return found

    monkeypatch.setattr(pieces, "evaluate", by_place)
    monkeypatch.setattr(pieces, "_CLOSE", 0.1)
    with pytest.raises(LoweringError, match="rounds some values of the output of n_conv_conv up or down by where they"):
        lowered(normalise(network(node("HardSwish"))))
