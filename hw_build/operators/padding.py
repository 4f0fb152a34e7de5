"""Zeros around an image and its channels: code 0 of every scale, signed or not.

Intake joins them to the pads of a convolution or an average that alone reads them; elsewhere they are a kernel. What
is less than none cuts off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.crop import TO_THE_END
from hw_build.kernels.rows import window_size
from hw_build.kernels.zero_pad import ZeroPad_rtl
from hw_build.operators.operator import Layer, Range, RangeOf
from hw_build.operators.windows import IMAGE_AXES, padding_of, zeros_around

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.operators.operator import Size

_TO_LAST, _TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


class PadsToKernels(Transformation):
    """Pad of a channels-last image -> its kernel."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.of_type("Pad"):
            amounts = graph.constants[node.input[1]].astype(int).reshape(2, IMAGE_AXES)
            graph.remove(node)
            add_kernel(
                graph, ZeroPad_rtl, [node.input[0]], [node.output[0]], node.name, Padding=padding_of(graph, node),
                Channels=amounts[:, 3].tolist(),
            )  # fmt: skip
        graph.commit()
        return model, False


def _set_amounts(graph: GraphEditor, node: NodeProto, around: np.ndarray) -> None:
    """Let ``node`` put zeros (2, 4) around all axes."""
    name = graph.add_constant(f"{node.output[0]}_by", around.reshape(-1), dtype=np.int64)
    source = node.input[0]
    del node.input[:]
    node.input.extend([source, name])
    graph.touch()


class Padding(Layer):
    """Pad."""

    names = ("Pad",)
    told = "Pad"
    any_layout = keeps_codes = True
    placements = hls_passes = (PadsToKernels(),)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Values that are not zero, amounts that are not fixed, and what leaves nothing."""
        mode = attribute(node, "mode", "constant")
        if mode != "constant":
            return f"pads by mode {mode}: only zeros lower, so train the network with padding by zeros"
        around = zeros_around(graph, node)
        if around is None:
            return "pads by a value that is not 0, or by amounts that the image decides: only constant zeros lower"
        if np.any(around[:, 0]):
            return "adds images to the batch: only zeros around height, width and channels lower"
        return None

    def rewrite(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Amounts of all axes, and a Slice for what is cut off."""
        around = zeros_around(graph, node)
        if around is None or (around.min() >= 0 and len(node.input) == 2):
            return False
        if around.min() < 0:
            shape = graph.shapes.get(node.input[0], ())
            if len(shape) != IMAGE_AXES:
                return False
            axes = np.flatnonzero(around.min(axis=0) < 0)
            before, behind = np.maximum(-around[:, axes], 0)
            kept = graph.add_tensor(f"{node.output[0]}_kept", np.maximum(shape + np.minimum(around, 0).sum(axis=0), 0))
            bounds = (before, np.where(behind, -behind, TO_THE_END), axes)
            names = [graph.add_constant(f"{kept}_at", each, dtype=np.int64) for each in bounds]
            graph.add_node("Slice", [node.input[0], *names], [kept], name=f"{node.name}_cut")
            node.input[0] = kept
        _set_amounts(graph, node, np.maximum(around, 0))
        return True

    def to_channels_first(self, graph: GraphEditor, node: NodeProto) -> None:
        """The axes."""
        around = zeros_around(graph, node)
        if around is not None:
            _set_amounts(graph, node, around[:, _TO_FIRST])

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """The axes."""
        around = zeros_around(graph, node)
        assert around is not None  # others are refused
        _set_amounts(graph, node, around[:, _TO_LAST])

    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range:
        """Those that it reads, and zero."""
        low, high = range_of(node.input[0])
        return min(low, 0), max(high, 0)

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """Larger by its zeros."""
        around = zeros_around(graph, node)
        assert around is not None  # others are refused
        if graph.metadata("edgeseg_input") == "codes_nhwc":
            around = around[:, _TO_FIRST]
        return window_size(size, (1, 1), around[:, 2:].reshape(-1).tolist())


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "Pad",
        "zeros around height, width and channels, of constant numbers; negative ones crop",
        "the padding of a convolution or average that alone reads it, else ZeroPad (ours)",
    ),
)
OPERATORS = (Padding(),)
