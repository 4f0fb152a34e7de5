"""Batch normalization as a gain and an offset of each channel: those of torch."""

import numpy as np
import pytest
import torch
from onnx import helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper

from hw_build.graph.editor import GraphEditor
from hw_build.operators import operator_of

CHANNELS = 5


@pytest.fixture(scope="module")
def norm():
    random = torch.Generator().manual_seed(4)
    layer = torch.nn.BatchNorm2d(CHANNELS, eps=0.25).double().eval()
    for values, low in ((layer.weight, -2), (layer.bias, -1), (layer.running_mean, -3), (layer.running_var, 0.5)):
        values.data = low + 3 * torch.rand(CHANNELS, generator=random).double()
    return layer


def node_of(layer):
    names = ("gamma", "beta", "mean", "variance")
    values = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
    shape = (1, CHANNELS, 1, 7)
    graph = helper.make_graph(
        [helper.make_node("BatchNormalization", ["x", *names], ["y"], name="bn", epsilon=layer.eps)],
        "bn",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info("y", 1, shape)],
        [numpy_helper.from_array(value.detach().numpy(), name) for name, value in zip(names, values, strict=True)],
    )
    editor = GraphEditor(ModelWrapper(helper.make_model(graph)))
    return editor, editor.nodes[0]


def test_gain_and_offset(norm):
    graph, node = node_of(norm)
    gain, offset = operator_of(graph, node).gain_and_offset(graph, node, CHANNELS)
    x = torch.linspace(-4, 4, 7).double().repeat(1, CHANNELS, 1, 1)
    expected = norm(x).detach().numpy()[0, :, 0]
    np.testing.assert_allclose(gain[:, None] * x.numpy()[0, :, 0] + offset[:, None], expected, rtol=1e-12, atol=1e-12)
