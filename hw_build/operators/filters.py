"""What operators with quantized 2D filters share: where their weights are, what does not fit, their integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.core.datatype import BaseDataType, DataType
from qonnx.custom_op.general.intquant import max_int, min_int, resolve_rounding_mode

from hw_build.graph.editor import GraphEditor, attribute, reject, smallest_integer_type
from hw_build.graph.ranges import accumulator_type, dot_product_range
from hw_build.kernels.rows import window_size
from hw_build.operators import operator_of
from hw_build.operators.channel_constants import change_channels, channel_constants
from hw_build.operators.constants import VOLUMES, is_weight_quant, shape_of_constant
from hw_build.operators.operator import TO_FIRST, Layer, Range, RangeOf, Size

if TYPE_CHECKING:
    from onnx import NodeProto

RANK = 4  # images, channels, height, width
_SIDES_OF_VOLUMES = 3


def weight_shape(graph: GraphEditor, conv: NodeProto) -> tuple[int, ...]:
    """(out channels, in channels per group, height, width) of the filters; () when they are not constant."""
    quant = graph.producer(conv.input[1])
    weight = conv.input[1] if quant is None else quant.input[0]
    return graph.constants[weight].shape if weight in graph.constants else ()


def kernel_shape(graph: GraphEditor, conv: NodeProto) -> tuple[int, int]:
    """Height and width of the filter, from the weights: exporters may leave the attribute out."""
    height, width = weight_shape(graph, conv)[2:]
    return height, width


def quantized_constant(graph: GraphEditor, quant: NodeProto) -> tuple[np.ndarray, np.ndarray, BaseDataType]:
    """Integers, scale and datatype of a Quant of a constant, in float64 so that no scale disturbs the rounding."""
    value, scale, _, width = (graph.constants[name] for name in quant.input[:4])
    signed, narrow, bits = bool(attribute(quant, "signed", 1)), bool(attribute(quant, "narrow", 0)), int(width.item())
    ratio = (value / scale).astype(np.float64)  # float32 division, as qonnx executes it
    codes = resolve_rounding_mode(attribute(quant, "rounding_mode", "ROUND"))(ratio)
    codes = np.clip(codes, min_int(signed, narrow, bits), max_int(signed, narrow, bits))
    return codes, np.asarray(scale, np.float64), DataType[f"{'INT' if signed else 'UINT'}{bits}"]


def reorder_outputs(graph: GraphEditor, tensor: str, order: np.ndarray) -> bool:
    """Let ``tensor`` have channel ``order[n]`` as its channel n, by the weights that make it; whether that can be.

    They can where nodes that treat each channel alike, and nothing else, lie between ``tensor`` and its convolution.
    """
    between: list[tuple[NodeProto, dict[int, int]]] = []
    node = graph.producer(tensor)
    while node is not None and not isinstance(operator_of(graph, node), Filters):
        source = next(iter(graph.dynamic_inputs(node)), "")
        positions = channel_constants(graph, node, source, order.size)
        if positions is None or not _alone(graph, node):
            return False
        between.append((node, positions))
        node = graph.producer(source)
    if node is None or not _alone(graph, node) or attribute(node, "group", 1) != 1:
        return False
    weights = filter_constants(graph, node)
    if weights is None:
        return False
    for each, positions in [*between, *weights]:
        change_channels(graph, each, positions, lambda value, axis: value.take(order, axis))
    return True


def reorder_inputs(graph: GraphEditor, tensor: str, order: np.ndarray) -> bool:
    """Let the one convolution that reads ``tensor`` read channel n where it now reads channel n of a tensor that has
    channel ``order[n]`` there, by its weights; whether that can be.
    """
    readers = graph.consumers(tensor)
    if len(readers) != 1 or tensor in graph.outputs or not isinstance(operator_of(graph, readers[0]), Filters):
        return False
    (conv,) = readers
    quant, axis = graph.producer(conv.input[1]), 1
    if attribute(conv, "group", 1) != 1 or quant is None or not is_weight_quant(graph, quant):
        return False
    weights = graph.constants[quant.input[0]]
    sizes = [graph.constants[name].shape for name in quant.input[1:]]
    one_for_all = all(len(shape) <= axis or shape[axis] == 1 for shape in sizes)
    if len(graph.consumers(conv.input[1])) != 1 or not one_for_all or weights.shape[axis] != order.size:
        return False
    change_channels(graph, quant, {0: axis}, lambda value, axis: value.take(np.argsort(order), axis))
    return True


def _alone(graph: GraphEditor, node: NodeProto) -> bool:
    return len(graph.consumers(node.output[0])) == 1 and node.output[0] not in graph.outputs


def filter_constants(graph: GraphEditor, conv: NodeProto) -> list[tuple[NodeProto, dict[int, int]]] | None:
    """Nodes and the positions of their constants that hold a value, or a filter, for each output of ``conv``: weights,
    their scales, bias. None where they are no constants of their own.
    """
    outputs = weight_shape(graph, conv)[:1]
    if not outputs:
        return None
    found = []
    for position in range(1, len(conv.input)):
        quant, name = graph.producer(conv.input[position]), conv.input[position]
        if not name:
            continue
        if quant is None:
            found.append((conv, {position: 0}))
        elif len(graph.consumers(name)) == 1 and is_weight_quant(graph, quant):
            sizes = {p: graph.constants[n].shape for p, n in enumerate(quant.input) if n in graph.constants}
            found.append((quant, {p: 0 for p, shape in sizes.items() if shape[:1] == outputs and len(shape) > 0}))
        else:
            return None
    return found


class Filters(Layer):
    """A convolution of some kind: x, quantized weights (O, I/groups, KH, KW), and maybe a bias (O,)."""

    takes_padding = negatable = reads_windows = True

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Weights of another kind, and what belongs to no 2D convolution."""
        weight = graph.producer(node.input[1])
        if weight is None and node.input[1] in graph.constants:
            return f"has float weights {node.input[1]}: put a weight quantizer (Quant) before it"
        if weight is None or not is_weight_quant(graph, weight):
            return f"has weights {node.input[1]} that are no quantized constant: a Quant of a constant lowers"
        rank = len(weight_shape(graph, node)) - 2
        if rank != 2:
            told = VOLUMES if rank == _SIDES_OF_VOLUMES else ""
            return f"is a {rank}D convolution: only 2D ones lower, of images (1, channels, height, width){told}"
        return _attributes_of_other_sizes(graph, node)

    def misfit(self, graph: GraphEditor, node: NodeProto) -> str | None:
        """Weights for other channels, and a bias for other outputs."""
        source, weight = graph.shapes.get(node.input[0]), shape_of_constant(graph, node.input[1])
        if weight is not None and (len(weight) != RANK or min(weight) < 1):
            return f"has weights of shape {weight}: (outputs, inputs, height, width) are needed"
        if source and len(source) == RANK and weight and weight[1] * attribute(node, "group", 1) != source[1]:
            return f"has weights for {weight[1] * attribute(node, 'group', 1)} channels, its input has {source[1]}"
        if len(node.input) < 3 or not node.input[2]:
            return None
        bias = shape_of_constant(graph, node.input[2])
        if bias is None:
            return f"has a bias {node.input[2]} that is not a constant"
        if weight and int(np.prod(bias)) != weight[0]:
            return f"has a bias of {int(np.prod(bias))} values for {weight[0]} output channels"
        return None

    def to_channels_first(self, graph: GraphEditor, node: NodeProto) -> None:
        """Filters (O, H, W, I) to (O, I, H, W)."""
        transposed = graph.add_tensor(f"{node.input[1]}_first", ())
        graph.add_node("Transpose", [node.input[1]], [transposed], perm=list(TO_FIRST), name=f"{node.name}_filters")
        node.input[1] = transposed

    def weights_to_integers(self, graph: GraphEditor, node: NodeProto) -> None:
        """Conv(x, Quant(w)) -> Mul(Conv(x, integers), scale) [-> Add(bias)]."""
        quant = graph.writer(node.input[1])
        integers, scale, datatype = quantized_constant(graph, quant)
        out_channels = integers.shape[0]
        if scale.size not in (1, out_channels) or (scale.size > 1 and scale.shape[0] != out_channels):
            raise reject(node, f"has weight scales of shape {scale.shape}: one, or one per output channel, lowers")
        result = node.output[0]
        shape = graph.shapes.get(result)
        if shape is None:
            raise reject(node, "gives an image whose shape does not follow from its input: export the network again")
        if scale.size > 1:
            scale = scale.reshape(1, out_channels, 1, 1)
        node.input[1] = graph.add_constant(f"{quant.output[0]}_int", integers, datatype)
        scaled = result
        if len(node.input) == 3:
            bias = node.input[2]
            producer = graph.producer(bias)
            if producer is not None:
                bias_codes, bias_scale, _ = quantized_constant(graph, producer)
                values = bias_codes * bias_scale
            else:
                values = graph.constants[bias]
            del node.input[2]
            scaled = graph.add_tensor(f"{result}_scaled", shape)
            shift = graph.add_constant(f"{result}_bias", np.reshape(values, (1, out_channels, 1, 1)))
            graph.add_node("Add", [scaled, shift], [result], name=f"{node.name}_bias")
        node.output[0] = graph.add_tensor(f"{result}_unscaled", shape)
        factor = graph.add_constant(f"{result}_weight_scale", scale)
        graph.add_node("Mul", [node.output[0], factor], [scaled], name=f"{node.name}_scale")

    def integer_type(self, graph: GraphEditor, node: NodeProto, types: list[BaseDataType]) -> BaseDataType:
        """An accumulator for these very weights."""
        return accumulator_type(*dot_product_range(graph.constants[node.input[1]], types[0]))

    def value_range(self, graph: GraphEditor, node: NodeProto, range_of: RangeOf) -> Range:
        """What these very weights reach."""
        low, high = dot_product_range(graph.constants[node.input[1]], graph.datatypes[node.input[0]])
        return int(low.min()), int(high.max())

    def negate(self, graph: GraphEditor, node: NodeProto, falls: np.ndarray) -> BaseDataType:
        """The filters of these channels."""
        weights, datatype = graph.constants[node.input[1]], graph.datatypes[node.input[1]]
        flipped = np.where(falls[:, None, None, None], -weights, weights)
        if flipped.max() > datatype.max():
            datatype = smallest_integer_type(int(datatype.min()), int(flipped.max()))
        node.input[1] = graph.add_constant(f"{node.input[1]}_flipped", flipped, datatype)
        return accumulator_type(*dot_product_range(flipped, graph.datatypes[node.input[0]]))

    def resize(self, graph: GraphEditor, node: NodeProto, size: Size) -> Size:
        """By the filters and pads."""
        strides, dilations = (attribute(node, name, [1, 1]) for name in ("strides", "dilations"))
        return window_size(size, kernel_shape(graph, node), attribute(node, "pads", [0] * 4), strides, dilations)


def _attributes_of_other_sizes(graph: GraphEditor, conv: NodeProto) -> str | None:
    """Attributes that do not belong to 2D filters of the weights' size, which execution would take or leave."""
    kernel = list(kernel_shape(graph, conv))
    told = list(attribute(conv, "kernel_shape", kernel))
    if told != kernel:
        return f"says kernel_shape {told}, but its weights are {kernel[0]}x{kernel[1]}: export again"
    for name, count in (("strides", 2), ("dilations", 2), ("pads", 4)):
        values = list(attribute(conv, name, [1] * count))
        if len(values) != count or min(values) < 0:
            return f"has {name} {values}: a 2D convolution has {count} of them, none below 0"
    return None
