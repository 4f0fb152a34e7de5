"""Dense and grouped convolution, pointwise ones among them.

An odd, square window of stride 1 padded by half its size is one kernel with its thresholds, or as the network's last
layer with its bias; what does not match (signed codes, thresholds with an offset, other paddings, strides, dilations)
becomes FINN's padding, sliding window and matrix-vector unit. Groups are one dense matrix, zero between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute, set_attribute, smallest_integer_type
from hw_build.graph.nodes import add_kernel, only_consumer
from hw_build.kernels.conv import ConvThreshold_rtl
from hw_build.kernels.rows import window_size
from hw_build.operators.constants import is_weight_quant
from hw_build.operators.filters import Filters, kernel_shape, quantized_constant, weight_shape
from hw_build.operators.finn_nodes import MatMulsToMvau, PatchesToSlidingWindows
from hw_build.operators.quantizer import per_channel
from hw_build.operators.scales import common_step
from hw_build.operators.windows import padding_of, refusal_of_window, window_patches

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.operators.operator import Size

_MOST_BITS = 8  # of weights


def weight_matrix(weights: np.ndarray, groups: int = 1) -> np.ndarray:
    """(OC, IC/groups, KH, KW) -> (KH*KW*IC, OC), row (i, j, c); zero where input and output are of other groups."""
    outputs, inputs, height, width = weights.shape
    matrix = np.zeros((height, width, groups, inputs, groups, outputs // groups), weights.dtype)
    each = weights.reshape(groups, outputs // groups, inputs, height, width).transpose(0, 3, 4, 2, 1)
    for group in range(groups):
        matrix[:, :, group, :, group] = each[group]
    return matrix.reshape(-1, outputs)


class FuseConvolutions(Transformation):
    """Pad - Im2Col - MatMul - MultiThreshold, or the last two alone (1x1), -> one kernel.

    At the end of the graph MatMul - Add of a constant, or MatMul alone, becomes the same kernel with Raw=1.
    """

    def apply(self, model):
        graph = GraphEditor(model)
        for matmul in graph.of_type("MatMul"):
            self._fuse(graph, matmul)
        graph.commit()
        return model, False

    def _fuse(self, graph: GraphEditor, matmul: NodeProto) -> None:
        window = self._window(graph, matmul)
        if window is None:
            return
        source, kernel, gone = window
        if graph.datatypes[source].signed() or graph.datatypes[source].bitwidth() > 8:
            return
        matrix = graph.constants[matmul.input[1]]  # (K*K*C, O), row (i, j, c)
        outputs = matrix.shape[1]
        weights = matrix.reshape(kernel, kernel, -1, outputs).transpose(3, 0, 1, 2)  # -> (O, K, K, C)
        tail = self._thresholds(graph, matmul, outputs) or self._head(graph, matmul, outputs)
        if tail is None:
            return
        table, result, raw, after = tail
        graph.remove(*gone, matmul, *after)
        weight_type = graph.datatypes[matmul.input[1]]
        add_kernel(
            graph,
            ConvThreshold_rtl,
            [source, graph.add_constant(f"{matmul.input[1]}_taps", weights, weight_type), table],
            [result],
            matmul.name,
            OutChannels=outputs,
            KernelDim=kernel,
            SIMD=1,
            NarrowWeights=int(weights.min() > weight_type.min()),
            Raw=int(raw),
            weightDataType=weight_type.name,
            accDataType=graph.datatypes[matmul.output[0]].name,
            outputDataType=graph.datatypes[result].name,
        )

    @staticmethod
    def _window(graph: GraphEditor, matmul: NodeProto) -> tuple[str, int, list[NodeProto]] | None:
        """(source, K, nodes of the window), or None when it is not an odd, square window padded by half of it."""
        im2col = graph.producer(matmul.input[0])
        if im2col is None or im2col.op_type != "Im2Col":
            return matmul.input[0], 1, []
        pad = graph.producer(im2col.input[0])
        kernels = list(attribute(im2col, "kernel_size"))
        if list(attribute(im2col, "stride")) != [1, 1] or list(attribute(im2col, "dilations")) != [1, 1]:
            return None
        if pad is None or pad.op_type != "Pad" or len(set(kernels)) != 1 or kernels[0] % 2 == 0:
            return None
        alone = len(graph.consumers(pad.output[0])) == len(graph.consumers(im2col.output[0])) == 1
        if not alone or padding_of(graph, pad) != [kernels[0] // 2] * 4:
            return None
        return pad.input[0], kernels[0], [pad, im2col]

    @staticmethod
    def _thresholds(graph: GraphEditor, matmul: NodeProto, outputs: int):
        """(thresholds (O, n), result, raw, nodes), or None."""
        node = only_consumer(graph, matmul.output[0], "MultiThreshold")
        if node is None or attribute(node, "out_bias", 0.0) != 0.0 or graph.datatypes[node.output[0]].signed():
            return None
        return per_channel(graph, node.input[1], outputs), node.output[0], False, [node]

    @staticmethod
    def _head(graph: GraphEditor, matmul: NodeProto, outputs: int):
        """(bias (O,), result, raw, nodes) of the graph's last layer, or None."""
        sums, after = matmul.output[0], []
        result, bias = sums, np.zeros(outputs, np.float32)
        add = only_consumer(graph, sums, "Add")
        if add is not None:
            constants = [name for name in add.input if name in graph.constants]
            if len(constants) != 1:
                return None
            bias = np.broadcast_to(graph.constants[constants[0]].reshape(-1), (outputs,))
            result, after = add.output[0], [add]
        if result not in graph.outputs:
            return None
        arriving = graph.datatypes[sums]
        graph.datatypes[result] = smallest_integer_type(
            int(min(arriving.min(), arriving.min() + bias.min())), int(max(arriving.max(), arriving.max() + bias.max()))
        )
        return graph.add_constant(f"{result}_bias", bias, graph.datatypes[result]), result, True, after


class Convolution(Filters):
    """Conv."""

    names = ("Conv",)
    inner = ("Im2Col", "MatMul")
    told = "Conv (dense, grouped, pointwise)"
    fusions = (FuseConvolutions(),)
    placements = (PatchesToSlidingWindows(), MatMulsToMvau())

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Unequal strides, pads by name, and outputs that groups do not share."""
        if (why := super().refusal(graph, node) or refusal_of_window(node)) is not None:
            return why
        group, outputs = attribute(node, "group", 1), weight_shape(graph, node)[0]
        if group < 1 or outputs % group:
            return f"has group={group} for {outputs} outputs: groups must divide them"
        return None

    def take_factors(self, graph: GraphEditor, node: NodeProto, factors: np.ndarray) -> bool:
        """By weights, where they have at most 8 bits then."""
        quant = graph.producer(node.input[1])
        if quant is None or not is_weight_quant(graph, quant) or attribute(node, "group", 1) != 1:
            return False
        if len(graph.consumers(node.input[1])) != 1 or self.refusal(graph, node) or self.misfit(graph, node):
            return False
        step, times = common_step(factors.tolist())
        integers, scale, _ = quantized_constant(graph, quant)
        integers = integers * np.array(times, float)[:, None, None]
        datatype = smallest_integer_type(int(min(integers.min(), -1)), int(integers.max()))
        if datatype.bitwidth() > _MOST_BITS:
            return False
        stepped = (scale * step).astype(np.float32)
        values = (integers * stepped, stepped, 0.0, float(datatype.bitwidth()))
        for position, value in enumerate(values):
            quant.input[position] = graph.add_constant(f"{node.input[1]}_of_factors", value)
        set_attribute(quant, "signed", 1)
        set_attribute(quant, "narrow", int(integers.min() > datatype.min()))
        graph.touch()
        return True

    def to_channels_last(self, graph: GraphEditor, node: NodeProto) -> None:
        """Pad, Im2Col and MatMul; a pointwise one is a MatMul alone."""
        matrix = weight_matrix(graph.constants[node.input[1]], attribute(node, "group", 1))
        window_patches(graph, node, kernel_shape(graph, node), matrix, depthwise=False)

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """Im2Col also repeats the shape of its input; a product changes no size."""
        if node.op_type == "MatMul":
            return size
        if node.op_type != "Im2Col":
            return super().resize(graph, node, size)
        channels = graph.shapes[node.input[0]][-1]
        set_attribute(node, "input_shape", str((1, *size, channels)).replace(" ", ""))
        window = (attribute(node, name) for name in ("stride", "dilations"))
        return window_size(size, attribute(node, "kernel_size"), [0] * 4, *window)


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "convolution, dense",
        "odd square kernel padded by half of it, stride 1, dilation 1, 4- to 8-bit weights",
        "ConvThreshold (ours): window, products and thresholds in one kernel",
    ),
    (
        "convolution, pointwise",
        "stride 1",
        "ConvThreshold (ours)",
    ),
    (
        "convolution, other windows",
        "any kernel, zero padding, dilation; equal strides of height and width",
        "ZeroPad (ours), ConvolutionInputGenerator, MVAU (FINN), Threshold (ours)",
    ),
    (
        "convolution, grouped",
        "any groups",
        "one dense convolution, zero weights between the groups",
    ),
)
OPERATORS = (Convolution(),)
