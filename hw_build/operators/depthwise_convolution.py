"""Depthwise convolution: one filter a channel.

Square and odd, of stride 1, padded by half its size, it is one kernel with its thresholds, and where the pattern is
there with its residual sum. Other windows, and what reads or writes signed codes or has no quantizer of its own, become
a dense convolution of mostly zeros.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute, set_attribute
from hw_build.graph.nodes import add_kernel, only_consumer
from hw_build.kernels.depthwise import DepthwiseConv_rtl
from hw_build.operators.convolution import refusal_of_window
from hw_build.operators.filters import Filters, kernel_shape, weight_shape
from hw_build.operators.quantizer import per_channel
from hw_build.operators.windows import window_patches


def weight_matrix(weights: np.ndarray) -> np.ndarray:
    """(C, 1, K, K) -> (K*K*C, C), row (i, j, c): spread over a diagonal."""
    channels, _, height, width = weights.shape
    matrix = np.zeros((height * width, channels, channels), weights.dtype)
    matrix[:, np.arange(channels), np.arange(channels)] = weights.reshape(channels, -1).T
    return matrix.reshape(-1, channels)


def weights_of(matrix: np.ndarray) -> np.ndarray:
    """The inverse: (K*K*C, C) -> (C, K, K)."""
    channels = matrix.shape[1]
    taps = matrix.reshape(-1, channels, channels)[:, np.arange(channels), np.arange(channels)]  # (K*K, C)
    kernel = round(taps.shape[0] ** 0.5)
    return taps.T.reshape(channels, kernel, kernel)


class FuseDepthwise(Transformation):
    """Depthwise convolution, its thresholds and, where the pattern is there, its residual sum, as one kernel."""

    def apply(self, model):
        graph = GraphEditor(model)
        for im2col in graph.of_type("Im2Col"):
            if attribute(im2col, "depthwise", 0):
                self._fuse(graph, im2col)
        graph.commit()
        return model, False

    def _fuse(self, graph: GraphEditor, im2col: NodeProto) -> None:
        pad = graph.writer(im2col.input[0])
        source = pad.input[0]
        matmul = only_consumer(graph, im2col.output[0], "MatMul")
        first = only_consumer(graph, matmul.output[0], "MultiThreshold") if matmul is not None else None
        if (
            matmul is None
            or first is None
            or attribute(first, "out_bias", 0.0) != 0.0
            or graph.datatypes[source].signed()
        ):
            set_attribute(im2col, "depthwise", 0)
            return
        channels = graph.shapes[source][-1]
        weights = weights_of(graph.constants[matmul.input[1]])
        weight_type = graph.datatypes[matmul.input[1]]
        result, steps = first.output[0], [per_channel(graph, first.input[1], channels)]
        gone = [pad, im2col, matmul, first]
        inputs = [source, graph.add_constant(f"{matmul.input[1]}_dw", weights, weight_type)]
        residual = self._residual(graph, source, result)
        if residual is not None:
            add, second = residual
            gone += [add, second]
            result = second.output[0]
            steps.append(second.input[1])
        graph.remove(*gone)
        add_kernel(
            graph,
            DepthwiseConv_rtl,
            [*inputs, *steps],
            [result],
            matmul.name,
            KernelDim=weights.shape[1],
            SIMD=1,
            Residual=int(residual is not None),
            weightDataType=weight_type.name,
            accDataType=graph.datatypes[matmul.output[0]].name,
            convDataType=graph.datatypes[first.output[0]].name,
            outputDataType=graph.datatypes[result].name,
        )

    @staticmethod
    def _residual(graph: GraphEditor, source: str, branch: str) -> tuple[NodeProto, NodeProto] | None:
        """(Add, MultiThreshold) when ``branch`` is only added to ``source`` and the sum only thresholded, unsigned."""
        add = only_consumer(graph, branch, "Add")
        if add is None or sorted(add.input) != sorted([source, branch]):
            return None
        second = only_consumer(graph, add.output[0], "MultiThreshold")
        return None if second is None or attribute(second, "out_bias", 0.0) != 0.0 else (add, second)


class DepthwiseConvolution(Filters):
    """Conv with as many groups as channels and outputs."""

    names = ("Conv",)
    told = "Conv (depthwise with one filter a channel)"
    fusions = (FuseDepthwise(),)

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """One filter per channel, as many outputs as inputs."""
        group, shape = attribute(node, "group", 1), weight_shape(graph, node)
        return group > 1 and shape[:2] == (group, 1)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Unequal strides, and pads by name."""
        return super().refusal(graph, node) or refusal_of_window(node)

    @staticmethod
    def _is_centred(graph: GraphEditor, node: NodeProto) -> bool:
        kernel, pads = kernel_shape(graph, node), list(attribute(node, "pads", [0] * 4))
        moves = [*attribute(node, "strides", [1, 1]), *attribute(node, "dilations", [1, 1])]
        odd = kernel[0] == kernel[1] and kernel[0] % 2 == 1 and kernel[0] > 1
        return odd and pads == [kernel[0] // 2] * 4 and moves == [1] * 4

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Im2Col(depthwise=1) and a product with a matrix that is zero off its channel."""
        matrix = weight_matrix(graph.constants[node.input[1]])
        window_patches(graph, node, kernel_shape(graph, node), matrix, depthwise=self._is_centred(graph, node))


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "convolution, depthwise",
        "odd square kernel, padded by half of it, stride 1, one filter per channel",
        "DepthwiseConv (ours); other windows, and where codes are signed, a dense one consisting mostly of zeros",
    ),
    (
        "convolution, depthwise, plus its own input",
        "both addends with one scale, then a quantizer",
        "the same DepthwiseConv, fused",
    ),
)
OPERATORS = (DepthwiseConvolution(),)
