"""What an exported network may contain, and the sentence for each thing that it may not.

`refusal` looks at one node and its surroundings; the steps raise the same sentences through `reject`, and
`hw_build.check` lists them for every node.
"""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from hw_build.errors import LoweringError
from hw_build.lowering.graph import GraphEditor, attribute, label
from hw_build.lowering.misfits import misfit
from hw_build.lowering.rounding import ROUNDING_MODES

SUPPORTED = (
    "Conv (dense, depthwise, pointwise; stride 1), BatchNormalization, Relu, Clip, LeakyRelu, PRelu, "
    "HardSigmoid, Quant, MaxPool 2x2, Resize bilinear x2, Add, Concat, Mul/Add/Sub/Div by a constant"
)
AFFINE = ("Mul", "Add", "Sub", "Div")
QUANT = ("Quant", "IntQuant")
ACTIVATIONS = ("Relu", "Clip", "LeakyRelu", "PRelu", "HardSigmoid")
LAYERS = ("Conv", "BatchNormalization", *ACTIVATIONS, "MaxPool", "Resize", "Concat", "Identity", "Constant")
SUPPORTED_OPERATORS = frozenset((*LAYERS, *QUANT, *AFFINE))
ONNX_DOMAINS = ("", "ai.onnx")
DOMAINS = (*ONNX_DOMAINS, "onnx.brevitas", "qonnx.custom_op.general")
CHANNELS_LAST_DOMAIN = "qonnx.custom_op.channels_last"
NOT_MONOTONIC = frozenset(["HardSwish", "Gelu", "Erf", "Mish", "Swish", "Sin", "Cos", "Abs"])
CURVED = frozenset(["Elu", "Celu", "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Exp", "Log"])  # but monotonic


def reject(node: NodeProto, why: str) -> LoweringError:
    """The error for ``node``; it carries the node's name for `hw_build.check`."""
    error = LoweringError(f"node {label(node)} ({node.op_type}) {why}")
    error.node_name = label(node)
    return error


def slopes(graph: GraphEditor, node: NodeProto) -> np.ndarray:
    """Slopes of a LeakyRelu or PRelu below zero, float64: one, or one per channel."""
    value = attribute(node, "alpha", 0.01) if node.op_type == "LeakyRelu" else graph.constants[node.input[1]]
    return np.asarray(value, np.float64).reshape(-1)


def is_known(node: NodeProto) -> bool:
    """Whether the operator is one that lowering knows at all; its attributes are judged by `refusal`."""
    return node.op_type in SUPPORTED_OPERATORS and node.domain in (DOMAINS if node.op_type in QUANT else ONNX_DOMAINS)


def is_weight_quant(graph: GraphEditor, node: NodeProto) -> bool:
    """A Quant of a constant: weights or a bias."""
    return node.op_type in QUANT and not graph.dynamic_inputs(node)


def is_bias_quant(graph: GraphEditor, node: NodeProto) -> bool:
    """A Quant of a constant that is added, not multiplied: it may be as wide as an accumulator."""
    readers = graph.consumers(node.output[0])
    return is_weight_quant(graph, node) and all(node.output[0] not in reader.input[:2] for reader in readers)


def weight_shape(graph: GraphEditor, conv: NodeProto) -> tuple[int, ...]:
    """(out channels, in channels per group, height, width) of the filters; () when they are not constant."""
    quant = graph.producer(conv.input[1])
    weight = conv.input[1] if quant is None else quant.input[0]
    return graph.constants[weight].shape if weight in graph.constants else ()


def is_depthwise(graph: GraphEditor, conv: NodeProto) -> bool:
    """One filter per channel, as many outputs as inputs."""
    group, shape = attribute(conv, "group", 1), weight_shape(graph, conv)
    return group > 1 and shape[:2] == (group, 1)


def kernel_shape(graph: GraphEditor, conv: NodeProto) -> tuple[int, int]:
    """Height and width of the filter, from the weights: exporters may leave the attribute out."""
    return weight_shape(graph, conv)[2:]


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


def _refuse_conv(graph: GraphEditor, node: NodeProto) -> str | None:
    weight = graph.producer(node.input[1])
    if weight is None and node.input[1] in graph.constants:
        return f"has float weights {node.input[1]}: put a weight quantizer (Quant) before it"
    if weight is None or not is_weight_quant(graph, weight):
        return f"has weights {node.input[1]} that are no quantized constant: a Quant of a constant lowers"
    rank = len(weight_shape(graph, node)) - 2
    if rank != 2:
        return f"is a {rank}D convolution: only 2D ones lower, of images (1, channels, height, width)"
    if (wrong := _attributes_of_other_sizes(graph, node)) is not None:
        return wrong
    group, strides = attribute(node, "group", 1), attribute(node, "strides", [1, 1])
    if group != 1 and not is_depthwise(graph, node):
        return f"is a grouped convolution, group={group}: only group=1 or depthwise with one filter a channel lowers"
    if list(strides) != [1, 1]:
        return f"has strides {list(strides)}: only stride 1 lowers, reduce with MaxPool 2x2"
    if list(attribute(node, "dilations", [1, 1])) != [1, 1]:
        return f"has dilations {attribute(node, 'dilations')}: only dilation 1 lowers"
    if attribute(node, "auto_pad", "NOTSET") != "NOTSET":
        return f"pads by auto_pad={attribute(node, 'auto_pad')}: export explicit pads"
    kernel = kernel_shape(graph, node)
    pads = list(attribute(node, "pads", [0, 0, 0, 0]))
    centred = kernel[0] == kernel[1] and kernel[0] % 2 == 1 and pads == [kernel[0] // 2] * 4
    if is_depthwise(graph, node) and not centred:
        return (
            f"is depthwise with kernel {list(kernel)} and pads {pads}: a depthwise kernel is square and odd, "
            "padded by half its size"
        )
    return None


def _refuse_quant(graph: GraphEditor, node: NodeProto) -> str | None:
    if any(name not in graph.constants for name in node.input[1:]):
        return "has a scale, zero point or bit width that is not a constant"
    scale, zero_point, bits = (graph.constants[name] for name in node.input[1:4])
    if scale.size < 1:
        return "has a scale without a value"
    if bits.size != 1 or zero_point.size < 1:
        return f"has {bits.size} bit widths and {zero_point.size} zero points: one bit width and a zero point lower"
    if np.any(zero_point != 0):
        return f"has zero point {np.ravel(zero_point)[0]:g}: only zero point 0 lowers"
    rounding = attribute(node, "rounding_mode", "ROUND").upper()
    if rounding not in ROUNDING_MODES:
        return f"rounds by {rounding}: only {', '.join(ROUNDING_MODES)} lower"
    highest = 32 if is_bias_quant(graph, node) else 8
    if not 2 <= float(bits.item()) <= highest or float(bits.item()) % 1:
        return f"has bit width {np.ravel(bits)[0]:g}: an integer from 2 to {highest} lowers"
    if np.any(scale <= 0):
        return "has a scale that is not positive"
    if not is_weight_quant(graph, node) and scale.size != 1:
        return f"quantizes activations with {scale.size} scales: one scale per activation tensor lowers"
    return None


def _refuse_resize(node: NodeProto, graph: GraphEditor) -> str | None:
    mode, coordinates = (
        attribute(node, "mode", "nearest"),
        attribute(node, "coordinate_transformation_mode", "half_pixel"),
    )
    before, after = graph.shapes.get(node.input[0]), graph.shapes.get(node.output[0])
    if mode != "linear" or coordinates not in ("half_pixel", "pytorch_half_pixel"):
        return f"resizes by {mode}, {coordinates}: only bilinear (linear, half_pixel) lowers"
    if before and after and after != (before[0], before[1], 2 * before[2], 2 * before[3]):
        return f"resizes {before[2]}x{before[3]} to {after[2]}x{after[3]}: only a factor of exactly 2 lowers"
    return None


def _refuse_pool(graph: GraphEditor, node: NodeProto) -> str | None:
    kernel, strides = attribute(node, "kernel_shape"), attribute(node, "strides", [1, 1])
    if list(kernel) != [2, 2] or list(strides) != [2, 2] or any(attribute(node, "pads", [0])):
        return f"has kernel {list(kernel)} and strides {list(strides)}: only 2x2 with stride 2 and no padding lowers"
    size, image = (graph.shapes.get(name, ())[2:] for name in (node.input[0], graph.inputs[0]))
    if any(side % 2 for side in size):
        return (
            f"halves {size[0]}x{size[1]}: height and width of the image, {image[0]}x{image[1]}, must be multiples of "
            f"{2 ** halvings(graph)} for the poolings of this network"
        )
    return None


def halvings(graph: GraphEditor) -> int:
    """How often the smallest image of the network was halved."""
    depth = dict.fromkeys(graph.inputs, 0)
    deepest = 0
    for node in graph.sorted_nodes():
        change = {"MaxPool": 1, "Resize": -1}.get(node.op_type, 0)
        arriving = max((depth[name] for name in node.input if name in depth), default=0) + change
        depth.update(dict.fromkeys(node.output, arriving))
        deepest = max(deepest, arriving)
    return deepest


def _refuse_sum(graph: GraphEditor, node: NodeProto) -> str | None:
    shapes = [graph.shapes.get(name, ()) for name in graph.dynamic_inputs(node)]
    if len(shapes) == 2 and all(shapes) and shapes[0] != shapes[1]:
        sizes = " and ".join("x".join(map(str, shape[1:])) for shape in shapes)
        return f"adds images of unlike shapes, {sizes}: only equal ones add, so repeat the smaller before it"
    constants = [graph.constants[name] for name in node.input if name in graph.constants]
    before, after = graph.shapes.get((graph.dynamic_inputs(node) or [""])[0]), graph.shapes.get(node.output[0])
    if constants and before and after and before != after:
        return (
            f"spreads {'x'.join(map(str, before[1:]))} to {'x'.join(map(str, after[1:]))} by the shape of its constant"
        )
    return None


def _refuse_pad(graph: GraphEditor, node: NodeProto) -> str:
    mode = attribute(node, "mode", "constant")
    if mode != "constant":
        return f"pads by mode {mode}: only zeros lower, before convolutions"
    readers = ", ".join(sorted({reader.op_type for reader in graph.consumers(node.output[0])})) or "the output"
    return (
        f"pads in a way, or for a reader ({readers}), that no convolution can take over: only zeros around height and "
        "width, read by convolutions alone, lower"
    )


def _before_first_quant(graph: GraphEditor, node: NodeProto) -> bool:
    """Whether an arithmetic node stands between the image and its first quantizer."""
    tensors = graph.dynamic_inputs(node)
    while len(tensors) == 1 and tensors[0] not in graph.inputs:
        producer = graph.producer(tensors[0])
        if producer is None or producer.op_type not in (*AFFINE, "BatchNormalization", "Identity"):
            return False
        tensors = graph.dynamic_inputs(producer)
    return len(tensors) == 1


def _not_finite(graph: GraphEditor, node: NodeProto) -> str | None:
    """The first constant of ``node`` with values that are no finite numbers: text is none, either."""
    for name in node.input:
        value = graph.constants.get(name)
        if value is not None and not (value.dtype.kind in "biuf" and np.isfinite(value).all()):
            return name
    return None


def refusal(graph: GraphEditor, node: NodeProto) -> str | None:
    """Why ``node`` of an exported network cannot be lowered, as the end of a sentence; None when it can."""
    return _refuse_operator(graph, node) or misfit(graph, node)


def _refuse_operator(graph: GraphEditor, node: NodeProto) -> str | None:
    operator = node.op_type
    if operator != "Clip" and (found := _not_finite(graph, node)) is not None:
        return f"reads {found}, which holds NaN, infinity or text: export again, from weights that are finite"
    if operator in NOT_MONOTONIC:
        return "is an activation that is not monotonic, so it cannot become thresholds: train with Relu instead"
    if operator in CURVED:
        return "is monotonic but curved, which is not made into thresholds yet: train with Relu instead"
    if operator in ("Clip", "PRelu") and any(name and name not in graph.constants for name in node.input[1:]):
        return "has a limit or slope that is not a constant"
    if operator in ("LeakyRelu", "PRelu") and np.any(slopes(graph, node) <= 0):
        return "has a slope that is not positive, so it is not monotonic: train with Relu instead"
    if operator == "Pad":
        return _refuse_pad(graph, node)
    if operator in ("Transpose", "Conv", "BatchNormalization", "MaxPool") and (
        operator == "Transpose" or node.domain == CHANNELS_LAST_DOMAIN
    ):
        return (
            "is a channels-last form that could not be turned back to channels first: export with channels first (NCHW)"
        )
    if not is_known(node):
        return f"is not supported; supported are {SUPPORTED}"
    if operator in (*AFFINE, "BatchNormalization") and _before_first_quant(graph, node):
        return (
            "changes the image before its first Quant (mean and deviation?): zero padding would not be code 0; "
            "train and export with x = code / 256"
        )
    if operator in ("Mul", "Sub", "Div") and len(graph.dynamic_inputs(node)) != 1:
        return (
            "combines two activations (as Hardswish, GELU and SiLU do, which are not monotonic and cannot become "
            "thresholds): train with Relu instead"
        )
    if operator == "Div" and node.input[0] in graph.constants:
        return "divides a constant by an activation, which is not monotonic"
    if operator == "Conv":
        return _refuse_conv(graph, node)
    if operator in QUANT:
        return _refuse_quant(graph, node)
    if operator == "MaxPool":
        return _refuse_pool(graph, node)
    if operator == "Resize":
        return _refuse_resize(node, graph)
    if operator in AFFINE:
        return _refuse_sum(graph, node)
    if operator == "Concat" and attribute(node, "axis") not in (1, -3):
        return f"concatenates along axis {attribute(node, 'axis')}: only channels (axis 1) lower"
    return None
