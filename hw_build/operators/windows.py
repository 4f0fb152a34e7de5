"""What layers that read windows share: their refusals and pads, and Pad, Im2Col and product as qonnx writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hw_build.graph.editor import QONNX_DOMAIN, GraphEditor, attribute

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.operators.operator import Size

IMAGE_AXES = 4  # images, channels, height, width


def refusal_of_window(node: NodeProto) -> str | None:
    """What no kernel takes of a window, as the end of a sentence."""
    strides = list(attribute(node, "strides", [1, 1]))
    if strides[0] != strides[1] or strides[0] < 1:
        return f"has strides {strides}: only equal ones of height and width lower"
    return refusal_of_named_pads(node)


def refusal_of_pool(node: NodeProto) -> str | None:
    """What no kernel takes of a pooling window, as the end of a sentence."""
    kernel, strides = list(attribute(node, "kernel_shape")), list(attribute(node, "strides", [1, 1]))
    if len(kernel) != 2 or len(strides) != 2 or strides[0] != strides[1] or min(*kernel, *strides) < 1:
        return f"has kernel {kernel} and strides {strides}: 2D windows with equal strides of height and width lower"
    return refusal_of_named_pads(node)


def refusal_of_named_pads(node: NodeProto) -> str | None:
    """auto_pad that intake could not make explicit."""
    named = attribute(node, "auto_pad", "NOTSET")
    return None if named == "NOTSET" else f"pads by auto_pad={named}: export explicit pads"


def pads_of_pool(node: NodeProto, size: Size, after: Size) -> list[int]:
    """[top, left, bottom, right] from an image of ``size`` to one of size ``after``: what ceil_mode adds, too."""
    pads, kernel = list(attribute(node, "pads", [0] * 4)), attribute(node, "kernel_shape")
    strides, dilations = (attribute(node, name, [1, 1]) for name in ("strides", "dilations"))
    for axis in range(2):
        span = dilations[axis] * (kernel[axis] - 1) + 1
        needed = strides[axis] * (after[axis] - 1) + span - size[axis] - pads[axis]
        pads[axis + 2] = max(pads[axis + 2], needed)
    return pads


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


def zeros_around(graph: GraphEditor, node: NodeProto) -> np.ndarray | None:
    """Zeros (2, 4) before and behind each axis of what ``node`` reads, less than none where it cuts off.

    None where it puts other values there, or the image decides.
    """
    names = [*node.input[1:], "", ""][:3]
    if any(name and name not in graph.constants for name in names):
        return None
    amounts, value, axes = (graph.constants[name] if name else None for name in names)
    if amounts is None or attribute(node, "mode", "constant") != "constant" or (value is not None and np.any(value)):
        return None
    places = range(IMAGE_AXES) if axes is None else (axes.astype(int) % IMAGE_AXES).tolist()
    if amounts.size != 2 * len(places):
        return None
    around = np.zeros((2, IMAGE_AXES), int)
    around[:, list(places)] = amounts.reshape(2, -1)
    return around


def padding_of(graph: GraphEditor, pad: NodeProto) -> list[int]:
    """[top, left, bottom, right] of a Pad node on NHWC."""
    amounts = graph.constants[pad.input[1]].astype(int).tolist()
    return [amounts[1], amounts[2], amounts[5], amounts[6]]
