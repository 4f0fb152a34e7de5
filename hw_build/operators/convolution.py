"""Dense and grouped convolution, pointwise ones among them.

An odd, square window of stride 1 padded by half its size is one kernel with its thresholds, or as the network's last
layer with its bias. Other windows (other paddings, strides, dilations) are those of our padding and FINN's sliding
window, which the kernel multiplies as a pointwise convolution does. Groups are one dense matrix, zero between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute, reject, set_attribute, smallest_integer_type
from hw_build.graph.nodes import add_kernel, lowest_code, only_consumer
from hw_build.kernels.conv import ConvThreshold_rtl
from hw_build.kernels.rows import window_size
from hw_build.operators.constants import is_weight_quant
from hw_build.operators.filters import Filters, kernel_shape, quantized_constant, weight_shape
from hw_build.operators.finn_nodes import PatchesToSlidingWindows
from hw_build.operators.quantizer import per_channel
from hw_build.operators.scales import common_step
from hw_build.operators.windows import padding_of, refusal_of_window, window_patches

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.operators.operator import Size

MOST_BITS = 8  # of an input of a product


def weight_matrix(weights: np.ndarray, groups: int = 1) -> np.ndarray:
    """(OC, IC/groups, KH, KW) -> (KH*KW*IC, OC), row (i, j, c); zero where input and output are of other groups."""
    outputs, inputs, height, width = weights.shape
    matrix = np.zeros((height, width, groups, inputs, groups, outputs // groups), weights.dtype)
    each = weights.reshape(groups, outputs // groups, inputs, height, width).transpose(0, 3, 4, 2, 1)
    for group in range(groups):
        matrix[:, :, group, :, group] = each[group]
    return matrix.reshape(-1, outputs)


@dataclass(frozen=True, kw_only=True)
class Tail:
    """What is made of the sums: ``table`` of thresholds (O, n) or, raw, biases (O,); ``nodes`` that do it."""

    table: str
    result: str
    nodes: list[NodeProto]
    raw: bool
    lowest: int = 0


class FuseConvolutions(Transformation):
    """Pad - Im2Col - MatMul - MultiThreshold, or the last two alone (1x1, other windows), -> one kernel.

    At the end of the graph MatMul - Add of a constant, and MatMul without thresholds anywhere, becomes the same kernel
    with Raw=1.
    """

    def apply(self, model):
        graph = GraphEditor(model)
        for matmul in graph.of_type("MatMul"):
            self._fuse(graph, matmul)
        graph.commit()
        return model, False

    def _fuse(self, graph: GraphEditor, matmul: NodeProto) -> None:
        source, kernel, gone = self._window(graph, matmul)
        codes = graph.datatypes[source]
        if codes.bitwidth() > MOST_BITS:
            raise reject(matmul, f"multiplies codes of {codes.bitwidth()} bits: quantize them to {MOST_BITS} or fewer")
        matrix = graph.constants[matmul.input[1]]  # (K*K*C, O), row (i, j, c)
        outputs = matrix.shape[1]
        weights = matrix.reshape(kernel, kernel, -1, outputs).transpose(3, 0, 1, 2)  # -> (O, K, K, C)
        tail = self._thresholds(graph, matmul, outputs) or self._sums(graph, matmul, outputs)
        graph.remove(*gone, matmul, *tail.nodes)
        weight_type = graph.datatypes[matmul.input[1]]
        add_kernel(
            graph,
            ConvThreshold_rtl,
            [source, graph.add_constant(f"{matmul.input[1]}_taps", weights, weight_type), tail.table],
            [tail.result],
            matmul.name,
            OutChannels=outputs,
            KernelDim=kernel,
            SIMD=1,
            NarrowWeights=int(weights.min() > weight_type.min()),
            Raw=int(tail.raw),
            LowestCode=tail.lowest,
            weightDataType=weight_type.name,
            accDataType=graph.datatypes[matmul.output[0]].name,
            outputDataType=graph.datatypes[tail.result].name,
        )

    @staticmethod
    def _window(graph: GraphEditor, matmul: NodeProto) -> tuple[str, int, list[NodeProto]]:
        """(source, K, nodes of the window) of an odd, square one padded by half of it; others stay before the product,
        as those of 1x1 do.
        """
        stays: tuple[str, int, list[NodeProto]] = matmul.input[0], 1, []
        im2col = graph.producer(matmul.input[0])
        if im2col is None or im2col.op_type != "Im2Col":
            return stays
        pad = graph.producer(im2col.input[0])
        kernels = list(attribute(im2col, "kernel_size"))
        if list(attribute(im2col, "stride")) != [1, 1] or list(attribute(im2col, "dilations")) != [1, 1]:
            return stays
        if pad is None or pad.op_type != "Pad" or len(set(kernels)) != 1 or kernels[0] % 2 == 0:
            return stays
        alone = len(graph.consumers(pad.output[0])) == len(graph.consumers(im2col.output[0])) == 1
        if not alone or padding_of(graph, pad) != [kernels[0] // 2] * 4:
            return stays
        return pad.input[0], kernels[0], [pad, im2col]

    @staticmethod
    def _thresholds(graph: GraphEditor, matmul: NodeProto, outputs: int) -> Tail | None:
        node = only_consumer(graph, matmul.output[0], "MultiThreshold")
        if node is None:
            return None
        table = per_channel(graph, node.input[1], outputs)
        return Tail(table=table, result=node.output[0], nodes=[node], raw=False, lowest=lowest_code(node))

    @staticmethod
    def _sums(graph: GraphEditor, matmul: NodeProto, outputs: int) -> Tail:
        """With the bias behind them where that is the graph's last layer."""
        result, nodes, bias = matmul.output[0], [], np.zeros(outputs, np.float32)
        add = only_consumer(graph, result, "Add")
        constants = [name for name in add.input if name in graph.constants] if add is not None else []
        if add is not None and len(constants) == 1 and add.output[0] in graph.outputs:
            bias = np.broadcast_to(graph.constants[constants[0]].reshape(-1), (outputs,))
            arriving, result, nodes = graph.datatypes[result], add.output[0], [add]
            low, high = int(min(bias.min(), 0)), int(max(bias.max(), 0))
            graph.datatypes[result] = smallest_integer_type(int(arriving.min()) + low, int(arriving.max()) + high)
        table = graph.add_constant(f"{result}_bias", bias, graph.datatypes[result])
        return Tail(table=table, result=result, nodes=nodes, raw=True)


class Convolution(Filters):
    """Conv."""

    names = ("Conv",)
    inner = ("Im2Col", "MatMul")
    told = "Conv (dense, grouped, pointwise)"
    fusions = (FuseConvolutions(),)
    placements = (PatchesToSlidingWindows(),)

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
        if datatype.bitwidth() > MOST_BITS:
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
        "odd square kernel padded by half of it, stride 1, dilation 1",
        "ConvThreshold (ours): window, products and thresholds in one kernel",
    ),
    (
        "convolution, pointwise",
        "stride 1",
        "ConvThreshold (ours)",
    ),
    (
        "convolution, other windows",
        "any kernel, zero padding, dilation; equal strides in height and width",
        "ZeroPad (ours), ConvolutionInputGenerator (FINN), ConvThreshold (ours)",
    ),
    (
        "convolution, grouped",
        "any groups",
        "one dense convolution, zero weights between the groups",
    ),
)
OPERATORS = (Convolution(),)
