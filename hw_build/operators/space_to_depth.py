"""Space to depth (pixel unshuffle): pixels of a block become channels. Its blocks are windows without overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.base.errors import ConfigError
from hw_build.graph.editor import QONNX_DOMAIN, GraphEditor, attribute
from hw_build.operators.operator import Layer, Size

if TYPE_CHECKING:
    from onnx import NodeProto


class SpaceToDepth(Layer):
    """SpaceToDepth."""

    names = ("SpaceToDepth",)
    told = "SpaceToDepth"
    keeps_codes = True

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Blocks that do not fill the image."""
        block, shape = attribute(node, "blocksize"), graph.shapes.get(node.input[0])
        if block < 2 or (shape and (shape[2] % block or shape[3] % block)):
            size = f" of {shape[2]}x{shape[3]}" if shape else ""
            return f"takes blocks of {block}x{block}{size}: 2 or more that divide both sides lower"
        return None

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Windows (Im2Col) with the block as kernel and stride: their order, (i, j, c), is ONNX' own."""
        block = [attribute(node, "blocksize")] * 2
        graph.remove(node)
        graph.add_node(
            "Im2Col", [node.input[0]], [node.output[0]], name=node.name, domain=QONNX_DOMAIN, stride=block,
            kernel_size=block, input_shape=str(graph.shapes[node.input[0]]).replace(" ", ""), pad_amount=[0] * 4,
            dilations=[1, 1], depthwise=0,
        )  # fmt: skip

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """So many times as small."""
        block = attribute(node, "blocksize")
        if any(side % block for side in size):
            raise ConfigError(
                f"{node.name} would take blocks of {block}x{block} of {size[0]}x{size[1]}: height and width must be "
                "multiples of them there"
            )
        return size[0] // block, size[1] // block


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "space to depth (pixel unshuffle)",
        "SpaceToDepth, or Reshape, Transpose, Reshape with the same effect; blocks that divide height and width",
        "ConvolutionInputGenerator (FINN)",
    ),
)
OPERATORS = (SpaceToDepth(),)
