"""Depthwise convolution: one filter a channel, or several (a channel multiplier).

It is one kernel with its thresholds, and where the pattern is there with its residual sum. The kernel's window is
square, odd, of stride 1 and padded by half its size: another window lies in such a one, zeros around it, and a crop
keeps every stride-th row and column. What has no quantizer of its own, or would take more products so than a dense
convolution of mostly zeros, becomes that. With several filters a channel is repeated before the kernel, once for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute, set_attribute
from hw_build.graph.nodes import add_kernel, lowest_code, only_consumer
from hw_build.kernels.crop import TO_THE_END, StreamCrop_rtl
from hw_build.kernels.depthwise import DepthwiseConv_rtl
from hw_build.kernels.gather import ChannelGather_rtl
from hw_build.operators.convolution import weight_matrix as grouped_matrix
from hw_build.operators.filters import Filters, kernel_shape, weight_shape
from hw_build.operators.quantizer import per_channel
from hw_build.operators.windows import padding_of, refusal_of_window, window_patches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import NodeProto


def weight_matrix(weights: np.ndarray) -> np.ndarray:
    """(C, 1, K, K) -> (K*K*C, C), row (i, j, c): spread over a diagonal."""
    channels, _, height, width = weights.shape
    matrix = np.zeros((height * width, channels, channels), weights.dtype)
    matrix[:, np.arange(channels), np.arange(channels)] = weights.reshape(channels, -1).T
    return matrix.reshape(-1, channels)


def weights_of(matrix: np.ndarray, kernel: Sequence[int]) -> np.ndarray:
    """The inverse: (KH*KW*C, C) -> (C, KH, KW)."""
    channels = matrix.shape[1]
    taps = matrix.reshape(-1, channels, channels)[:, np.arange(channels), np.arange(channels)]  # (KH*KW, C)
    return taps.T.reshape(channels, *kernel)


@dataclass(frozen=True, kw_only=True)
class Window:
    """A window of the kernel's kind, with zeros in it, and what is kept of its output: from ``cuts`` on, every
    stride-th. ``places``: (rows, columns) of the taps in it.
    """

    side: int
    cuts: tuple[int, int, int, int]  # top, left, bottom, right
    places: tuple[tuple[int, ...], tuple[int, ...]]

    def kept(self, axis: int, stride: int) -> list[int]:
        """[start, stop, step] of rows (axis 0) or columns."""
        return [self.cuts[axis], -self.cuts[axis + 2] or TO_THE_END, stride]

    def weights(self, weights: np.ndarray) -> np.ndarray:
        """(C, KH, KW) -> (C, side, side)."""
        wide = np.zeros((len(weights), self.side, self.side), weights.dtype)
        wide[:, np.array(self.places[0])[:, None], np.array(self.places[1])] = weights
        return wide


def find_window(kernel: Sequence[int], pads: Sequence[int], dilations: Sequence[int]) -> Window | None:
    """The smallest `Window` that holds one of ``kernel`` and ``dilations`` behind ``pads`` [top, left, bottom, right].

    None where there is none: pads that make the output of stride 1 larger than the input. Row r of the output of stride
    1 reads the rows from r - pad, the kernel's row r + first those from r + first - side/2, whose taps begin with
    zeros.
    """
    spans = [dilation * (side - 1) + 1 for side, dilation in zip(kernel, dilations, strict=True)]
    gone = [span - 1 - pads[axis] - pads[axis + 2] for axis, span in enumerate(spans)]  # rows and columns less
    if min(gone) < 0:
        return None
    first = [min(max((span - 1) // 2 - pads[axis], 0), gone[axis]) for axis, span in enumerate(spans)]
    half = max(1, *(max(pads[axis] + first[axis], spans[axis] - 1 - pads[axis] - first[axis]) for axis in range(2)))
    begins = [half - pads[axis] - first[axis] for axis in range(2)]
    rows, columns = (tuple(begins[axis] + dilations[axis] * tap for tap in range(kernel[axis])) for axis in range(2))
    cuts = (first[0], first[1], gone[0] - first[0], gone[1] - first[1])
    return Window(side=2 * half + 1, cuts=cuts, places=(rows, columns))


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
        pad = graph.producer(im2col.input[0])
        pads = [pad] if pad is not None and pad.op_type == "Pad" else []
        source = pads[0].input[0] if pads else im2col.input[0]
        matmul = only_consumer(graph, im2col.output[0], "MatMul")
        first = only_consumer(graph, matmul.output[0], "MultiThreshold") if matmul is not None else None
        if matmul is None or first is None:
            set_attribute(im2col, "depthwise", 0)
            return
        channels = graph.shapes[source][-1]
        kernel, strides = attribute(im2col, "kernel_size"), attribute(im2col, "stride")
        padding = padding_of(graph, pads[0]) if pads else [0] * 4
        window = find_window(kernel, padding, attribute(im2col, "dilations"))
        assert window is not None  # others are refused
        weights = window.weights(weights_of(graph.constants[matmul.input[1]], kernel))
        weight_type = graph.datatypes[matmul.input[1]]
        result, steps = first.output[0], [per_channel(graph, first.input[1], channels)]
        gone = [*pads, im2col, matmul, first]
        inputs = [source, graph.add_constant(f"{matmul.input[1]}_dw", weights, weight_type)]
        whole = not any(window.cuts) and list(strides) == [1, 1]
        residual = self._residual(graph, source, result) if whole else None
        if residual is not None:
            add, second = residual
            gone += [add, second]
            result = second.output[0]
            steps.append(second.input[1])
        graph.remove(*gone)
        everywhere = result
        if not whole:
            everywhere = graph.add_tensor(f"{result}_of_stride_1", graph.shapes[source], graph.datatypes[result])
        add_kernel(
            graph,
            DepthwiseConv_rtl,
            [*inputs, *steps],
            [everywhere],
            matmul.name,
            KernelDim=weights.shape[1],
            SIMD=1,
            Residual=int(residual is not None),
            weightDataType=weight_type.name,
            accDataType=graph.datatypes[matmul.output[0]].name,
            convDataType=graph.datatypes[first.output[0]].name,
            outputDataType=graph.datatypes[result].name,
            LowestCode=lowest_code(first if residual is None else residual[1]),
            **({} if residual is None else {"ConvLowestCode": lowest_code(first)}),
        )
        if not whole:
            add_kernel(
                graph, StreamCrop_rtl, [everywhere], [result], f"{matmul.name}_crop", Channels=[0, channels],
                Rows=window.kept(0, strides[0]), Columns=window.kept(1, strides[1]),
            )  # fmt: skip

    @staticmethod
    def _residual(graph: GraphEditor, source: str, branch: str) -> tuple[NodeProto, NodeProto] | None:
        """(Add, MultiThreshold) when ``branch`` is only added to ``source`` and the sum only thresholded."""
        add = only_consumer(graph, branch, "Add")
        if add is None or sorted(add.input) != sorted([source, branch]):
            return None
        second = only_consumer(graph, add.output[0], "MultiThreshold")
        return None if second is None else (add, second)


class DepthwiseConvolution(Filters):
    """Conv with as many groups as channels."""

    names = ("Conv",)
    told = "Conv (depthwise)"
    fusions = (FuseDepthwise(),)

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """As many filters for each channel."""
        group, shape = attribute(node, "group", 1), weight_shape(graph, node)
        return group > 1 and shape[1:2] == (1,) and shape[0] % group == 0

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Unequal strides, and pads by name."""
        return super().refusal(graph, node) or refusal_of_window(node)

    def factors_behind(self, graph: GraphEditor, node: NodeProto, factors: np.ndarray) -> np.ndarray | None:
        """The same for each of its filters; a bias is in the way."""
        if len(node.input) > 2 and node.input[2]:
            return None
        return np.repeat(factors, weight_shape(graph, node)[0] // factors.size)

    @staticmethod
    def _has_window(graph: GraphEditor, node: NodeProto) -> bool:
        kernel, pads = kernel_shape(graph, node), attribute(node, "pads", [0] * 4)
        window = find_window(kernel, pads, attribute(node, "dilations", [1, 1]))
        dense = kernel[0] * kernel[1] * attribute(node, "group")  # products of an output, mostly with zeros
        return window is not None and kernel != (1, 1) and window.side**2 <= dense

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Im2Col(depthwise=1) and a product with a matrix that is zero off its channel."""
        weights, group = graph.constants[node.input[1]], attribute(node, "group")
        depthwise = self._has_window(graph, node)
        thresholds = only_consumer(graph, node.output[0], "MultiThreshold")
        if len(weights) == group or (depthwise and thresholds is not None):
            matrix = weight_matrix(weights)
            self._repeat(graph, node, len(weights) // group)
        else:
            matrix, depthwise = grouped_matrix(weights, group), False
        window_patches(graph, node, kernel_shape(graph, node), matrix, depthwise=depthwise)

    @staticmethod
    def _repeat(graph: GraphEditor, node: NodeProto, times: int) -> None:
        """Let ``node`` read each channel ``times`` times."""
        if times == 1:
            return
        source = node.input[0]
        *pixels, channels = graph.shapes[source]
        repeated = graph.add_tensor(f"{source}_repeated", (*pixels, times * channels), graph.datatypes[source])
        index = np.repeat(np.arange(channels), times).tolist()
        add_kernel(graph, ChannelGather_rtl, [source], [repeated], f"{node.name}_repeat", Index=index)
        node.input[0] = repeated
        graph.touch()


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "convolution, depthwise",
        "one filter per channel, or several (a channel multiplier); equal strides in height and width",
        "DepthwiseConv (ours), of an odd square window; StreamCrop (ours) behind it for other strides, sizes or pads; "
        "several filters: ChannelGather (ours) repeats each channel before it; "
        "for few channels for the size of the window, a dense convolution consisting mostly of zeros",
    ),
    (
        "convolution, depthwise, plus its own input",
        "both addends of one scale, then a quantizer",
        "the same DepthwiseConv, fused",
    ),
)
OPERATORS = (DepthwiseConvolution(),)
