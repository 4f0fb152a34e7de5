"""What an activation does to a tensor, and to values in float32: both limits of a Clip, each where it is given."""

import numpy as np
import pytest
from onnx import helper, numpy_helper
from qonnx.core.modelwrapper import ModelWrapper

from hw_build.graph.bends import Clip
from hw_build.graph.editor import GraphEditor
from hw_build.operators import operator_of

VALUES = np.array([[-9, -2, 0, 1.5, 9]], np.float32)


def clip(low, high):
    names = ["" if limit is None else name for name, limit in (("low", low), ("high", high))]
    given = {name: limit for name, limit in (("low", low), ("high", high)) if limit is not None}
    node = helper.make_node("Clip", ["x", *names], ["y"], name="clip")
    graph = helper.make_graph(
        [node],
        "clip",
        [helper.make_tensor_value_info("x", 1, (1, 1, 1, 5))],
        [helper.make_tensor_value_info("y", 1, (1, 1, 1, 5))],
        [numpy_helper.from_array(np.float32(limit), name) for name, limit in given.items()],
    )
    return GraphEditor(ModelWrapper(helper.make_model(graph)))


@pytest.mark.parametrize(("low", "high"), [(-2.0, 1.5), (0.0, 6.0), (-1.0, None), (None, 1.0), (None, None)])
def test_limits_of_a_clip(low, high):
    graph = clip(low, high)
    operator = operator_of(graph, graph.nodes[0])
    (bend,) = operator.bends(graph, graph.nodes[0], 1)
    assert bend == Clip(-np.inf if low is None else low, np.inf if high is None else high)
    found = operator.in_float32(graph, graph.nodes[0], VALUES)
    expected = VALUES if (low, high) == (None, None) else np.clip(VALUES, low, high)
    np.testing.assert_array_equal(found, expected)
