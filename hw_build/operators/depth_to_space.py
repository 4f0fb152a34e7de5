"""Depth to space (pixel shuffle): channels become pixels of a block.

Intake moves it behind what follows, as far as its quantizer, so that it moves codes and the layer before it keeps its
thresholds. From the step `lower` on it is its kernel: no standard node of it takes channels-last tensors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.graph.editor import GraphEditor, attribute, set_attribute
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.depth_to_space import DepthToSpace_rtl
from hw_build.operators.data_movement import move_behind_the_next
from hw_build.operators.operator import Layer, Size

if TYPE_CHECKING:
    from onnx import NodeProto


class DepthToSpace(Layer):
    """DepthToSpace."""

    names = ("DepthToSpace",)
    told = "DepthToSpace"
    keeps_codes = True

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Channels that do not fill a block."""
        block, shape = attribute(node, "blocksize"), graph.shapes.get(node.input[0])
        if block < 2 or (shape and shape[1] % block**2):
            channels = f" of {shape[1]} channels" if shape else ""
            return f"makes blocks of {block}x{block}{channels}: the square of 2 or more must divide the channels"
        return None

    def rewrite(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Behind the per-channel node that follows; mode CRD as DCR of reordered channels."""
        return self._to_dcr(graph, node) or self._behind_the_next(graph, node)

    @staticmethod
    def _to_dcr(graph: GraphEditor, node: NodeProto) -> bool:
        shape, block = graph.shapes.get(node.input[0]), attribute(node, "blocksize")
        if attribute(node, "mode", "DCR") != "CRD" or not shape or block < 1 or shape[1] % block**2:
            return False
        # channel (c, i, j) of CRD goes where DCR has (i, j, c)
        order = np.arange(shape[1]).reshape(-1, block**2).T.reshape(-1)
        ordered = graph.add_tensor(f"{node.input[0]}_ordered", shape)
        index = graph.add_constant(f"{ordered}_index", order, dtype=np.int64)
        graph.add_node("Gather", [node.input[0], index], [ordered], name=f"{node.name}_order", axis=1)
        node.input[0] = ordered
        graph.touch()
        set_attribute(node, "mode", "DCR")
        return True

    @staticmethod
    def _behind_the_next(graph: GraphEditor, node: NodeProto) -> bool:
        times = attribute(node, "blocksize") ** 2
        dcr = attribute(node, "mode", "DCR") == "DCR"
        return dcr and move_behind_the_next(graph, node, lambda value, axis: np.concatenate([value] * times, axis))

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Its kernel."""
        graph.remove(node)
        block = attribute(node, "blocksize")
        add_kernel(graph, DepthToSpace_rtl, [node.input[0]], [node.output[0]], node.name, Block=block)

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """As many times as large as a block."""
        block = attribute(node, "blocksize")
        return block * size[0], block * size[1]


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "depth to space (pixel shuffle)",
        "DCR and CRD",
        "DepthToSpace (ours); for CRD, channels are reordered as well",
    ),
)
OPERATORS = (DepthToSpace(),)
