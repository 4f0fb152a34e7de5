"""Give a network another image size, in any of its forms.

Weights do not depend on the size, so a graph is verified on a small crop and built at full size, or the reverse.
Spatial sizes follow the nodes from the input; the attributes in which FINN's nodes and ours repeat them are
rewritten.
"""

from __future__ import annotations

from collections.abc import Sequence

from onnx import NodeProto
from qonnx.core.modelwrapper import ModelWrapper

from hw_build.errors import ConfigError
from hw_build.lowering.graph import GraphEditor, attribute, set_attribute
from hw_build.lowering.lower import padding_of
from hw_build.lowering.rules import kernel_shape

Size = tuple[int, int]
HALVES = ("MaxPool", "MaxPoolNHWC", "MaxPool2x2_rtl")
DOUBLES = ("Resize", "BilinearUpsample2x_rtl", "BilinearThreshold2x_rtl")


def _window_size(size: Size, kernel: Sequence[int], pads: Sequence[int]) -> Size:
    return size[0] + pads[0] + pads[2] - kernel[0] + 1, size[1] + pads[1] + pads[3] - kernel[1] + 1


def output_size(graph: GraphEditor, node: NodeProto, size: Size) -> Size:
    """(height, width) of the output of ``node`` for an input of ``size``."""
    operator = node.op_type
    if operator in HALVES:
        if size[0] % 2 or size[1] % 2:
            raise ConfigError(
                f"node {node.name} ({operator}) would halve {size[0]}x{size[1]}: height and width must be multiples of "
                "2 to the number of max-pools"
            )
        return size[0] // 2, size[1] // 2
    if operator in DOUBLES:
        return 2 * size[0], 2 * size[1]
    if operator == "Conv":
        return _window_size(size, kernel_shape(graph, node), attribute(node, "pads", [0, 0, 0, 0]))
    if operator == "Pad":
        return _window_size(size, (1, 1), padding_of(graph, node))
    if operator == "Im2Col":
        return _window_size(size, attribute(node, "kernel_size"), [0, 0, 0, 0])
    if operator.startswith("FMPadding"):
        return _window_size(size, (1, 1), attribute(node, "Padding"))
    if operator.startswith("ConvolutionInputGenerator"):
        return _window_size(size, attribute(node, "ConvKernelDim"), [0, 0, 0, 0])
    return size


def _rewrite_attributes(node: NodeProto, before: Size, after: Size, shape: tuple[int, ...]) -> None:
    """``shape`` is the input's, already at its new size."""
    names = {entry.name for entry in node.attribute}
    if "ImgDim" in names:
        set_attribute(node, "ImgDim", list(before))
    if "IFMDim" in names:
        set_attribute(node, "IFMDim", list(before))
        set_attribute(node, "OFMDim", list(after))
    if node.op_type.startswith(("MVAU", "Thresholding")):
        set_attribute(node, "numInputVectors", [1, *before])
    if node.op_type == "Im2Col":
        set_attribute(node, "input_shape", str(shape).replace(" ", ""))


def set_input_size(model: ModelWrapper, height: int, width: int) -> ModelWrapper:
    """Change ``model`` in place to images of height x width pixels; returns it."""
    graph = GraphEditor(model)
    last = graph.metadata("edgeseg_input") == "codes_nhwc"

    def resized(tensor: str, size: Size) -> tuple[int, ...]:
        shape = graph.shapes[tensor]
        return (1, *size, shape[3]) if last else (1, shape[1], *size)

    sizes: dict[str, Size] = {graph.inputs[0]: (height, width)}
    graph.shapes[graph.inputs[0]] = resized(graph.inputs[0], (height, width))
    for node in graph.sorted_nodes():
        arriving = {sizes[name] for name in node.input if name in sizes}
        if not arriving:
            continue  # a quantizer of weights
        if len(arriving) != 1:
            raise ConfigError(f"node {node.name} ({node.op_type}) joins images of sizes {sorted(arriving)}")
        before = arriving.pop()
        after = output_size(graph, node, before)
        source = next(name for name in node.input if name in sizes)
        _rewrite_attributes(node, before, after, graph.shapes[source])
        for name in node.output:
            sizes[name] = after
            graph.shapes[name] = resized(name, after)
    graph.commit()
    return model
