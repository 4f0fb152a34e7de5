"""Dense layers of one pixel: convolutions, exact after every step and against the file's own execution; refusals."""

import numpy as np
import pytest
from onnx import numpy_helper

from hw_build.base.errors import LoweringError
from tests.hw_build.test_gates import lowered, network, pool, reduced
from tests.hw_build.test_intake import assert_exact


def dense(net, x, outputs, name, *, form="gemm", bias=True):
    """A dense layer of the vector ``x`` with weights of 4 bits."""
    inputs = net.channels[x]
    if form == "gemm":
        weight, _, _ = net.weights(name, (outputs, inputs), 4)
        given = [net.const(f"{name}_c", np.linspace(-0.5, 0.5, outputs))] if bias else []
        y = net.node("Gemm", [x, weight, *given], f"{name}_gemm", transB=1)
    else:
        weight, _, _ = net.weights(name, (inputs, outputs), 4)
        y = net.node("MatMul", [x, weight], f"{name}_product")
        if bias:
            y = net.node("Add", [net.const(f"{name}_c", np.linspace(-0.5, 0.5, outputs)), y], f"{name}_sum")
    net.channels[y] = outputs
    return y


def gate(mean, as_vector, as_image, form):
    """Squeeze and excitation with dense layers."""

    def change(net, x):
        pooled = net.quant(as_vector(net, mean(net, x)), 2.0**-5, name="mean_q")
        net.channels[pooled] = net.channels[x]
        squeezed = net.quant(net.node("Relu", [dense(net, pooled, 2, "squeeze", form=form)], "relu"), 2.0**-3)
        net.channels[squeezed] = 2
        excited = dense(net, squeezed, net.channels[x], "excite", form=form)
        sigmoid = net.node("HardSigmoid", [excited], "sigmoid", alpha=1 / 6)
        return net.node("Mul", [x, as_image(net, net.quant(sigmoid, 2.0**-4, name="gate"))], "product")

    return change


def flatten(net, x):
    return net.node("Flatten", [x], "vector", axis=1)


def sizes(net, name, values):
    net.constants.append(numpy_helper.from_array(np.array(values, np.int64), name))
    return name


def reshape(*shape):
    return lambda net, x: net.node("Reshape", [x, sizes(net, f"{x}_shape", shape)], f"{x}_reshaped")


def unsqueezed(net, x):
    return net.node("Unsqueeze", [x, sizes(net, "axes", [2, 3])], "image_again")


FORMS = {
    "flatten_gemm_reshape": gate(pool, flatten, reshape(1, 4, 1, 1), "gemm"),
    "mean_without_axes_matmul_unsqueeze": gate(
        reduced(axes=[2, 3], keepdims=0), lambda net, x: x, unsqueezed, "matmul"
    ),
    "view_gemm_unsqueeze": gate(pool, reshape(1, -1), unsqueezed, "gemm"),
}


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=[pytest.mark.slow] if form == "view_gemm_unsqueeze" else []) for form in FORMS]
)
def test_squeeze_and_excitation_with_dense_layers(form):
    model = network(FORMS[form])
    assert {"GlobalSum_rtl", "StreamRepeat_rtl"} <= {node.op_type for node in lowered(model).graph.node}
    assert_exact(model.model)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda net, x: net.node("Mul", [x, dense(net, flatten(net, x), 4, "all")], "product"),
            r"n_vector \(Flatten\) makes no image: a vector of one pixel, of \(1, C, 1, 1\), lowers before dense",
        ),
        (
            gate(pool, flatten, lambda net, x: net.node("Softmax", [x], "soft"), "gemm"),
            r"n_gate_vector \(Flatten\) makes a vector of one pixel, and Softmax of it does not lower: dense layers",
        ),
    ],
)
def test_refusals(change, sentence):
    with pytest.raises(LoweringError, match=sentence):
        lowered(network(change))
