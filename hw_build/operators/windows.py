"""Windows of channels-last images, as qonnx writes them: Pad, Im2Col and a product."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.graph.editor import QONNX_DOMAIN, GraphEditor, attribute

if TYPE_CHECKING:
    from onnx import NodeProto


def window_patches(
    graph: GraphEditor, conv: NodeProto, kernel: tuple[int, int], matrix: np.ndarray, *, depthwise: bool
) -> None:
    """``conv`` on channels-last tensors: zeros around the image, its windows (Im2Col), and a product with ``matrix``.

    ``matrix`` is (KH*KW*I, O), row (i, j, c); a 1x1 of stride 1 is the product alone.
    """
    source, result = conv.input[0], conv.output[0]
    name = graph.add_constant(f"{conv.input[1]}_matrix", matrix, graph.datatypes[conv.input[1]])
    pads = list(attribute(conv, "pads", [0, 0, 0, 0]))
    graph.remove(conv)
    if kernel != (1, 1) or list(attribute(conv, "strides", [1, 1])) != [1, 1]:
        source = image_patches(graph, conv, kernel, pads, depthwise=depthwise)
    elif any(pads):
        source = pad_image(graph, source, pads, conv.name)
    graph.add_node("MatMul", [source, name], [result], name=conv.name)


def image_patches(
    graph: GraphEditor, node: NodeProto, kernel: tuple[int, int], pads: list[int], *, depthwise: bool = False
) -> str:
    """The windows that ``node`` looks at, (1, H', W', KH*KW*I) behind zeros around the image; returns the tensor."""
    source, result = node.input[0], node.output[0]
    strides, dilations = (list(attribute(node, name, [1, 1])) for name in ("strides", "dilations"))
    if any(pads):
        source = pad_image(graph, source, pads, node.name)
    shape = (*graph.shapes[result][:3], kernel[0] * kernel[1] * graph.shapes[source][-1])
    patches = graph.add_tensor(f"{result}_patches", shape, graph.datatypes[source])
    graph.add_node(
        "Im2Col",
        [source],
        [patches],
        name=f"{node.name}_im2col",
        domain=QONNX_DOMAIN,
        stride=strides,
        kernel_size=list(kernel),
        input_shape=str(graph.shapes[source]).replace(" ", ""),
        pad_amount=[0, 0, 0, 0],
        dilations=dilations,
        depthwise=int(depthwise),
    )
    return patches


def pad_image(graph: GraphEditor, source: str, pads: list[int], name: str) -> str:
    """Put zeros around ``source`` by [top, left, bottom, right]; returns the padded tensor.

    A node of its own, since qonnx's Im2Col refuses to pad an image of one row or one column.
    """
    _, height, width, channels = graph.shapes[source]
    shape = (1, height + pads[0] + pads[2], width + pads[1] + pads[3], channels)
    padded = graph.add_tensor(f"{source}_padded", shape, graph.datatypes[source])
    amounts = graph.add_constant(f"{padded}_by", [0, pads[0], pads[1], 0, 0, pads[2], pads[3], 0], dtype=np.int64)
    graph.add_node("Pad", [source, amounts], [padded], name=f"{name}_pad", mode="constant")
    return padded


def padding_of(graph: GraphEditor, pad: NodeProto) -> list[int]:
    """[top, left, bottom, right] of a Pad node on NHWC."""
    amounts = graph.constants[pad.input[1]].astype(int).tolist()
    return [amounts[1], amounts[2], amounts[5], amounts[6]]
