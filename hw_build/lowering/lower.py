"""Step `lower`: channels last, convolutions as Im2Col and MatMul.

No transpose is ever inserted: each node is rewritten for NHWC in place, and `execution` feeds and reads NHWC from
here on. A dense KxK convolution becomes Pad + Im2Col + MatMul, a pointwise one MatMul alone, a depthwise one
Im2Col(depthwise=1) + MatMul with a matrix that is zero off its channel. Tensors keep their names; only Im2Col's
outputs are new.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.base import Transformation

from hw_build.lowering.graph import QONNX_DOMAIN, GraphEditor, attribute, set_attribute
from hw_build.lowering.rules import is_depthwise, kernel_shape, reject

CONVERTIBLE = ("Conv", "MultiThreshold", "Add", "Mul", "Concat", "Resize", "MaxPool")


class ChannelsLast(Transformation):
    """Rewrite every node of an integer NCHW graph for NHWC tensors."""

    def apply(self, model):
        graph = GraphEditor(model)
        convs = [(conv, kernel_shape(graph, conv), is_depthwise(graph, conv)) for conv in graph.of_type("Conv")]
        for node in graph.nodes:
            if node.op_type not in CONVERTIBLE:
                raise reject(node, "has no channels-last form")
        graph.shapes = {name: (n, h, w, c) for name, (n, c, h, w) in graph.shapes.items()}
        for conv, kernel, depthwise in convs:
            self._convolution(graph, conv, kernel, depthwise)
        for node in list(graph.nodes):
            self._elementwise(graph, node)
        graph.set_metadata(edgeseg_input="codes_nhwc")
        graph.commit()
        return model, False

    @staticmethod
    def _convolution(graph: GraphEditor, conv: NodeProto, kernel: tuple[int, int], depthwise: bool) -> None:
        source, result = conv.input[0], conv.output[0]
        weights = graph.constants[conv.input[1]]
        matrix = weight_matrix(weights, depthwise=depthwise)
        name = graph.add_constant(f"{conv.input[1]}_matrix", matrix, graph.datatypes[conv.input[1]])
        pads = list(attribute(conv, "pads", [0, 0, 0, 0]))
        graph.remove(conv)
        if any(pads):
            source = pad_image(graph, source, pads, conv.name)
        if kernel != (1, 1):
            shape = (*graph.shapes[result][:3], matrix.shape[0])
            patches = graph.add_tensor(f"{result}_patches", shape, graph.datatypes[source])
            graph.add_node(
                "Im2Col",
                [source],
                [patches],
                name=f"{conv.name}_im2col",
                domain=QONNX_DOMAIN,
                stride=[1, 1],
                kernel_size=list(kernel),
                input_shape=str(graph.shapes[source]).replace(" ", ""),
                pad_amount=[0, 0, 0, 0],
                dilations=[1, 1],
                depthwise=int(depthwise),
            )
            source = patches
        graph.add_node("MatMul", [source, name], [result], name=conv.name)

    @staticmethod
    def _elementwise(graph: GraphEditor, node: NodeProto) -> None:
        if node.op_type == "MultiThreshold":
            set_attribute(node, "data_layout", "NHWC")
        elif node.op_type == "Concat":
            set_attribute(node, "axis", 3)
        elif node.op_type == "MaxPool":
            graph.remove(node)
            graph.add_node(
                "MaxPoolNHWC",
                [node.input[0]],
                [node.output[0]],
                name=node.name,
                domain=QONNX_DOMAIN,
                kernel_shape=[2, 2],
                strides=[2, 2],
                pads=[0, 0, 0, 0],
            )
        elif node.op_type == "Resize":
            scales = graph.add_constant(f"{node.output[0]}_scales", np.array([1, 2, 2, 1]))
            graph.remove(node)
            graph.add_node(
                "Resize",
                [node.input[0], "", scales],
                [node.output[0]],
                name=node.name,
                mode="linear",
                coordinate_transformation_mode="half_pixel",
            )
        elif node.op_type in ("Add", "Mul"):
            for position, name in enumerate(node.input):
                if name in graph.constants and graph.constants[name].ndim == 4:  # (1, C, 1, 1) -> (C,)
                    node.input[position] = graph.add_constant(
                        f"{name}_nhwc", graph.constants[name].reshape(-1), graph.datatypes.get(name)
                    )
                    graph.touch()


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


def weight_matrix(weights: np.ndarray, *, depthwise: bool) -> np.ndarray:
    """(OC, IC, KH, KW) -> (KH*KW*IC, OC), row (i, j, c); depthwise weights (C, 1, K, K) are spread over a diagonal."""
    if not depthwise:
        return weights.transpose(2, 3, 1, 0).reshape(-1, weights.shape[0])
    channels, _, height, width = weights.shape
    matrix = np.zeros((height * width, channels, channels), weights.dtype)
    matrix[:, np.arange(channels), np.arange(channels)] = weights.reshape(channels, -1).T
    return matrix.reshape(-1, channels)


def depthwise_weights(matrix: np.ndarray) -> np.ndarray:
    """The inverse for a depthwise layer: (K*K*C, C) -> (C, K, K)."""
    channels = matrix.shape[1]
    taps = matrix.reshape(-1, channels, channels)[:, np.arange(channels), np.arange(channels)]  # (K*K, C)
    kernel = round(taps.shape[0] ** 0.5)
    return taps.T.reshape(channels, kernel, kernel)


def lower(model: ModelWrapper) -> ModelWrapper:
    """Integer NCHW graph -> integer NHWC graph of Pad, Im2Col, MatMul, MaxPoolNHWC and elementwise nodes."""
    return model.transform(ChannelsLast(), make_deepcopy=False, cleanup=False)
