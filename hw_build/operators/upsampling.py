"""What the forms of Resize share that enlarge an image: their constants, and how they stand channels last."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from hw_build.operators.operator import TO_FIRST, Layer, Range, RangeOf

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor


class Upsampling(Layer):
    """Resize, of one mode."""

    names = ("Resize",)
    any_layout = True

    form: ClassVar[dict[str, str]]  # the attributes that say it

    def to_channels_first(self, graph: GraphEditor, node: NodeProto) -> None:
        """Scales or sizes of the four axes."""
        for position, name in enumerate(node.input):
            if name in graph.constants and graph.constants[name].size == 4:
                value = graph.constants[name]
                node.input[position] = graph.add_constant(f"{name}_first", value[list(TO_FIRST)], dtype=value.dtype)

    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range:
        """Values, and means of them, lie between the least and the greatest."""
        return range_of(node.input[0])

    def enlarge_channels_last(self, graph: GraphEditor, node: NodeProto, factor: int) -> None:
        """Write ``node`` for channels-last tensors, by scales, which are the same for every size of the image."""
        scales = graph.add_constant(f"{node.output[0]}_scales", np.array([1, factor, factor, 1]))
        graph.remove(node)
        graph.add_node("Resize", [node.input[0], "", scales], [node.output[0]], name=node.name, **self.form)
