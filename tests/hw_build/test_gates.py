"""Global averages and products in exported graphs: exact after every step, and each refusal."""

import copy

import numpy as np
import pytest

from hw_build.base.errors import ConfigError, LoweringError
from hw_build.lowering import STEPS, set_input_size
from hw_build.lowering.intake import normalise
from tests.hw_build import synthetic
from tests.hw_build.test_intake import assert_exact


def squeezed(net, x, mean, *, swapped=False):
    """Squeeze and excitation of ``x`` by ``mean(net, x)``."""
    pooled = net.quant(mean(net, x), 2.0**-5, name="mean_q")
    gate = net.conv_bn(net.conv_bn(pooled, 2, 1, "squeeze"), net.channels[x], 1, "excite", relu=False)
    gate = net.quant(net.node("HardSigmoid", [gate], "sigmoid", alpha=1 / 6), 2.0**-4, name="gate")
    return net.node("Mul", [gate, x] if swapped else [x, gate], "product")


def network(change, *, opset=17, bits=4):
    net = synthetic.Net(seed=7, act_bits=bits)
    current = net.conv_bn(net.image(), 4, 3, "stem", bits=8)
    net.channels["product"] = 4
    product = net.quant(change(net, current), 2.0**-3, name="product_q")
    net.channels[product] = 4
    net.head(net.conv_bn(product, 4, 1, "last"))
    del net.nodes[-1].input[2]
    model = net.model("logits", 16, 16)
    model.model.opset_import[0].version = opset
    return model


def pool(net, x):
    return net.node("GlobalAveragePool", [x], "mean")


def reduced(**attributes):
    return lambda net, x: net.node("ReduceMean", [x], "mean", **attributes)


def lowered(model):
    model = normalise(copy.deepcopy(model))
    for step in STEPS:
        model = step.run(model)
    return model


def kernels(model):
    return {node.op_type for node in lowered(model).graph.node}


@pytest.mark.parametrize(
    ("mean", "bits", "kernel"),
    [(pool, 4, "CodeTable_rtl"), (reduced(axes=[-1, -2], keepdims=1), 8, "StreamMultiply_rtl")],
)
def test_squeeze_and_excitation(mean, bits, kernel):
    model = network(lambda net, x: squeezed(net, x, mean, swapped=bits == 8), bits=bits)
    assert {"GlobalSum_rtl", "StreamRepeat_rtl", kernel} <= kernels(model)
    assert_exact(model.model)


def test_product_of_equal_shapes():
    model = network(lambda net, x: net.node("Mul", [x, net.conv_bn(x, 4, 1, "other", relu=False)], "product"))
    assert "CodeTable_rtl" in kernels(model)
    assert_exact(model.model)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda net, x: squeezed(net, x, reduced(axes=[1], keepdims=1)),
            r"\(ReduceMean\) averages over the axes \[1\]",
        ),
        (
            lambda net, x: net.node("Mul", [x, net.conv_bn(x, 2, 1, "other")], "product"),
            r"n_product \(Mul\) multiplies images of unlike shapes, 4x16x16 and 2x16x16: equal ones lower",
        ),
    ],
)
def test_refusals(change, sentence):
    with pytest.raises(LoweringError, match=sentence):
        lowered(network(change))


def test_another_size_of_a_frame_that_was_summed_is_refused():
    model = lowered(network(lambda net, x: squeezed(net, x, pool)))
    with pytest.raises(ConfigError, match=r"GlobalSum_rtl_0 averages 256 pixels, not 32x32, and what follows it was"):
        set_input_size(model, 32, 32)
    assert np.prod(model.get_tensor_shape("global_in")) == 16 * 16 * 3
