"""Step `lower`: channels last, convolutions as windows and products.

No transpose is ever inserted: each operator writes its nodes for NHWC in place, and `execution` feeds and reads NHWC
from here on. Tensors keep their names; only the outputs of Im2Col are new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, reject
from hw_build.operators import operator_of

if TYPE_CHECKING:
    from qonnx.core.modelwrapper import ModelWrapper


class ChannelsLast(Transformation):
    """Rewrite every node of an integer NCHW graph for NHWC tensors."""

    def apply(self, model):
        graph = GraphEditor(model)
        found = [(node, operator_of(graph, node)) for node in graph.nodes]
        graph.shapes = {name: (n, h, w, c) for name, (n, c, h, w) in graph.shapes.items()}
        for node, operator in found:
            if operator is None:
                raise reject(node, "has no channels-last form")
            operator.to_channels_last(graph, node)
        graph.set_metadata(edgeseg_input="codes_nhwc")
        graph.commit()
        return model, False


def lower(model: ModelWrapper) -> ModelWrapper:
    """Integer NCHW graph -> integer NHWC graph."""
    return model.transform(ChannelsLast(), make_deepcopy=False, cleanup=False)
