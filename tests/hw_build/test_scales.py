"""Sums and concatenations of codes of different scales: exact after every step, and each refusal."""

import copy

import numpy as np
import pytest
from qonnx.custom_op.registry import getCustomOp

from hw_build.base.errors import LoweringError
from hw_build.kernels import DOMAIN
from hw_build.lowering import STEPS, verify
from hw_build.lowering.intake import normalise
from hw_build.operators.scales import common_step
from tests.hw_build import synthetic
from tests.hw_build.test_intake import CODES, assert_exact


def branches(net, *settings):
    """One branch for each (scale, bits, signed) of ``settings``."""
    current, names = net.conv_bn(net.image(), 4, 3, "stem", bits=8), []
    for number, (scale, bits, signed) in enumerate(settings):
        net.act_bits = bits
        names.append(net.conv_bn(current, 4, 1, f"b{number}", scale=scale, relu=not signed))
    net.act_bits = 4
    return names


def ended(net, tensor):
    net.head(net.conv_bn(tensor, 4, 1, "last"))
    del net.nodes[-1].input[2]
    return net.model("logits", 16, 16)


def sum_of(*settings, scale=2.0**-2, bits=4):
    net = synthetic.Net(seed=9)
    net.node("Add", branches(net, *settings), "sum")
    return ended(net, net.quant("sum", scale, bits=bits))


def join_of(*settings, behind=None, kind="Quant"):
    net = synthetic.Net(seed=9)
    names = branches(net, *settings)
    net.node("Concat", names, "both", axis=1)
    net.channels["both"], net.scales["both"] = 4 * len(names), settings[0][0]
    return ended(net, "both" if behind is None else behind(net, "both"))


def kernels(model):
    for step in STEPS:
        model = step.run(model)
    return [getCustomOp(node) for node in model.graph.node if node.domain == DOMAIN]


def attributes(model, op_type, name):
    return [tuple(each.get_nodeattr(name)) for each in kernels(model) if each.onnx_node.op_type == op_type]


def test_common_step_is_the_greatest():
    assert common_step([0.75, 0.5]) == (0.25, [3, 2])
    assert common_step([0.125, 0.125]) == (0.125, [1, 1])
    step, times = common_step([float(np.float32(0.3)), float(np.float32(0.1))])
    assert [step * each for each in times] == [np.float32(0.3), np.float32(0.1)] and times[0] > 10**5


@pytest.mark.parametrize(
    ("settings", "op_type", "times"),
    [
        ([(2.0**-3, 4, False), (2.0**-4, 4, False)], "StreamAddThreshold_rtl", (2, 1)),
        ([(2.0**-2, 4, True), (3 * 2.0**-4, 6, False)], "StreamAddThreshold_rtl", (4, 3)),
        ([(2.0**-5, 8, False), (2.0**-3, 8, False)], "StreamAdd_rtl", (1, 4)),
    ],
)
def test_sums_of_multiples(settings, op_type, times):
    assert attributes(normalise(sum_of(*settings)), op_type, "Times") == [times]
    assert_exact(sum_of(*settings).model)


@pytest.mark.parametrize(
    "settings",
    [[(0.1, 4, False), (0.07, 4, True)], [(0.3, 5, False), (0.1, 6, False)], [(0.021, 4, True), (2.0**-3, 8, False)]],
)
def test_sums_of_any_scales_are_tables_of_pairs(settings, tmp_path):
    model = normalise(sum_of(*settings, scale=0.11))
    assert sum(each.onnx_node.op_type == "CodeTable_rtl" for each in kernels(copy.deepcopy(model))) == 1
    for step in STEPS:
        before, model = model, step.run(copy.deepcopy(model))
        assert verify(before, model, CODES, tmp_path, step.name) > 0


@pytest.mark.parametrize(
    ("settings", "times"),
    [
        ([(2.0**-3, 4, False), (2.0**-4, 4, False)], [(2, 1)]),
        ([(2.0**-4, 4, True), (3 * 2.0**-4, 4, False), (2.0**-4, 3, False)], [(1, 3), (1, 1)]),
        ([(2.0**-3, 4, False), (2.0**-3, 3, False)], [(1, 1)]),
    ],
)
def test_joins_of_multiples(settings, times):
    assert attributes(normalise(join_of(*settings)), "StreamConcat_rtl", "Times") == times
    assert_exact(join_of(*settings).model)


def test_quantizer_behind_a_join_stands_before_it():
    """Whatever the scales are."""
    settings = [(0.1, 4, False), (0.07, 5, False)]
    assert_exact(join_of(*settings, behind=lambda net, x: net.quant(x, 2.0**-3)).model)


def test_normalization_behind_a_join_of_sums_stands_before_it():
    """As DenseNet has it: convolutions joined, then BN, ReLU and a quantizer."""

    def sums(net, name):
        weight, _, _ = net.weights(f"{name}_raw", (4, 4, 1, 1), 4)
        return net.node("Conv", [name, weight], f"{name}_conv", kernel_shape=[1, 1])

    net = synthetic.Net(seed=9)
    names = branches(net, (2.0**-3, 4, False), (2.0**-3, 4, False))
    net.node("Concat", [sums(net, names[0]), names[1]], "both", axis=1)
    net.channels["both"] = 8
    random = np.random.default_rng(2)
    parts = [
        net.const(f"bn{i}", v)
        for i, v in enumerate((random.uniform(-1, 1, 8), random.uniform(0, 1, 8), np.zeros(8), np.ones(8)))
    ]
    net.node("BatchNormalization", ["both", *parts], "normal", epsilon=1e-5)
    assert_exact(ended(net, net.quant(net.node("Relu", ["normal"], "relu"), 2.0**-3)).model)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (
            lambda: sum_of((0.1, 8, False), (0.07, 8, False)),
            r"n_sum \(Add\) adds codes of scales 0.1 and 0.07, whose common step needs sums of \d+ bits, more than 16",
        ),
        (
            lambda: join_of((0.1, 4, False), (0.07, 4, False)),
            r"n_both \(Concat\) joins codes of scales 0.1 and 0.07, whose common step needs codes of \d+ bits, more",
        ),
    ],
)
def test_scales_without_a_common_step_are_refused(model, sentence):
    with pytest.raises(LoweringError, match=sentence):
        kernels(normalise(model()))
