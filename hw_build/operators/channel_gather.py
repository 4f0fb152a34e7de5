"""Channels in another order, left out or repeated: Gather along the channels.

Intake lets the convolution before it give its channels in that order, where it can, or the one behind it read them so;
otherwise what follows, as far as a quantizer, comes before it, so that codes move.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.graph.editor import GraphEditor, attribute, set_attribute
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.gather import ChannelGather_rtl
from hw_build.operators.concatenation import FIRST_AXIS
from hw_build.operators.data_movement import move_behind_the_next
from hw_build.operators.filters import reorder_inputs, reorder_outputs
from hw_build.operators.operator import Layer

if TYPE_CHECKING:
    from onnx import NodeProto


class ChannelGather(Layer):
    """Gather, axis 1, of constant indices."""

    names = ("Gather",)
    told = "Gather of channels"
    keeps_codes = any_layout = True

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Other axes and indices."""
        index = graph.constants.get(node.input[1])
        if attribute(node, "axis", 0) not in (1, -3) or index is None or index.ndim != 1:
            return f"gathers along axis {attribute(node, 'axis', 0)}: only channels (axis 1), by a constant list, lower"
        return None

    def misfit(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Channels that are not there."""
        shape, index = graph.shapes.get(node.input[0]), graph.constants[node.input[1]]
        if shape and (index.size == 0 or index.min() < -shape[1] or index.max() >= shape[1]):
            return f"gathers channels {index.tolist()} of {shape[1]}: export the network again"
        return None

    def rewrite(self, graph: GraphEditor, node: NodeProto) -> bool:
        """By the weights of a neighbour, or behind the per-channel node that follows."""
        shape = graph.shapes.get(node.input[0])
        if not shape or self.refusal(graph, node) or self.misfit(graph, node):
            return False
        order = graph.constants[node.input[1]].astype(int) % shape[1]
        if sorted(order) != list(range(shape[1])):
            return False
        if reorder_inputs(graph, node.output[0], order) or reorder_outputs(graph, node.input[0], order):
            graph.remove(node)
            graph.rename_uses(node.output[0], node.input[0])
            return True
        back = np.argsort(order)
        return move_behind_the_next(graph, node, lambda value, axis: value.take(back, axis))

    def to_channels_first(self, graph: GraphEditor, node: NodeProto) -> None:
        """The axis."""
        set_attribute(node, "axis", FIRST_AXIS[attribute(node, "axis", 0) % 4])

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Its kernel."""
        index = graph.constants[node.input[1]].astype(int) % graph.shapes[node.input[0]][-1]
        graph.remove(node)
        add_kernel(graph, ChannelGather_rtl, [node.input[0]], [node.output[0]], node.name, Index=index.tolist())


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "channels reordered (channel shuffle), omitted or repeated",
        "Gather with constant indices; Reshape, Transpose, Reshape with the same effect",
        "the weights of the convolution before or behind it, reordered; otherwise ChannelGather (ours)",
    ),
)
OPERATORS = (ChannelGather(),)
