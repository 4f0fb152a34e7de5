"""Layers of real values as they are executed: each sum is exact, and scales are factors behind it.

float32 rounds each product of a code and a weight whose scales are no powers of two, and each partial sum, in an order
that the engine chooses: of sums of 8-bit codes and weights it does not keep the last digits, and beside the border of
two codes the result is noise. In hardware there is no such noise. A network is therefore executed with the integers:

    Conv(x, Quant(w)) + b  ->  Conv(codes of x, integers of w) * scale of x * scale of w + b

and layers without weights likewise, where the operator says what stands behind its integers (`Layer.behind_codes`).
From there on all is float32, as the network has it. These are the operations that thresholds are computed by
(`hw_build.lowering.chain.in_float32`), in their order. Nothing else is shared with the steps that compute integers:
codes and weights are divided by their scales, by operators of ONNX, and rounded.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

from hw_build.graph.editor import GraphEditor
from hw_build.operators import operator_of
from hw_build.operators.constants import QUANT
from hw_build.operators.filters import Filters
from hw_build.operators.operator import Layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper


def with_exact_sums(model: ModelWrapper) -> ModelWrapper:
    """``model``, an exported network or what the step `convert` makes of it, with exact sums; it stays as it is.

    Sums that float32 has exactly, because scales are powers of two, are left alone, and so are layers of values that
    are no codes of known scales.
    """
    graph = GraphEditor(copy.deepcopy(model))
    rewritten = [node for node in graph.sorted_nodes() if _use_integers(graph, node)]
    if not rewritten:
        return model
    graph.commit()
    return graph.model


def _use_integers(graph: GraphEditor, node: NodeProto) -> bool:
    """Whether ``node`` is a layer that needed it."""
    layer = operator_of(graph, node)
    if not isinstance(layer, Layer) or layer.keeps_codes:
        return False
    if isinstance(layer, Filters):
        return _filters_to_integers(graph, node)
    names = graph.dynamic_inputs(node)
    scales = [scale for name in names if (scale := _scale_of_codes(graph, name)) is not None]
    if len(scales) < len(names) or all(map(_is_power_of_two, scales)):
        return False
    behind = layer.behind_codes(graph, node, scales)
    if behind is None:
        return False
    result = node.output[0]
    for name, scale in zip(names, scales, strict=True):
        factor = graph.add_constant(f"{result}_scale_of_codes", scale)
        whole = _whole(graph, name, factor, graph.shapes[name])
        node.input[:] = [whole if each == name else each for each in node.input]
    _put_behind(graph, node, [
        (kind, None if value is None else graph.add_constant(f"{result}_{kind}", value)) for kind, value in behind
    ])  # fmt: skip
    return True


def _filters_to_integers(graph: GraphEditor, node: NodeProto) -> bool:
    """Whether the convolution ``node`` needed it."""
    scale = _scale_of_codes(graph, node.input[0])
    if scale is None:
        return False
    quant = graph.producer(node.input[1])  # None: the weights are integers, with their scale in a node of its own
    of_weights = None if quant is None else graph.constants[quant.input[1]]
    if _is_power_of_two(scale) and (of_weights is None or all(map(_is_power_of_two, of_weights.flat))):
        return False
    source, result, bias = node.input[0], node.output[0], list(node.input[2:])
    factor = graph.add_constant(f"{result}_scale_of_codes", scale)
    node.input[0] = _whole(graph, source, factor, graph.shapes[source])
    behind = [("Mul", factor)]
    if quant is not None and of_weights is not None:
        node.input[1] = _whole(graph, node.input[1], quant.input[1], graph.constants[quant.input[0]].shape)
        behind.append(("Mul", graph.add_constant(f"{result}_scale_of_filters", _of_channels(of_weights))))
    del node.input[2:]
    if bias and bias[0]:
        behind.append(("Add", _as_channels(graph, bias[0], graph.shapes[result][1])))
    _put_behind(graph, node, behind)
    return True


def _put_behind(graph: GraphEditor, node: NodeProto, operations: Sequence[tuple[str, str | None]]) -> None:
    """Each of ``operations``, a type and a constant, on the output of ``node``; the last gives what ``node`` gave."""
    result = node.output[0]
    names = [graph.add_tensor(f"{result}_sum", graph.shapes[result]) for _ in operations]
    node.output[0] = names[0]
    for (kind, constant), before, after in zip(operations, names, [*names[1:], result], strict=True):
        operands = [before] if constant is None else [before, constant]
        graph.add_node(kind, operands, [after], name=f"{node.name}_{kind}_of_sum")


def _whole(graph: GraphEditor, values: str, scale: str, shape: tuple[int, ...]) -> str:
    """The integers of which ``values`` are ``scale`` times each."""
    divided, rounded = (graph.add_tensor(f"{values}_{kind}", shape) for kind in ("divided", "whole"))
    graph.add_node("Div", [values, scale], [divided], name=divided)
    graph.add_node("Round", [divided], [rounded], name=rounded)
    return rounded


def _of_channels(scale: np.ndarray) -> np.ndarray:
    """Scales of filters as a factor of the channels that they give."""
    return scale.reshape(1, -1, 1, 1) if scale.size > 1 else scale.reshape(())


def _as_channels(graph: GraphEditor, bias: str, channels: int) -> str:
    shape = (1, channels, 1, 1)
    spread = graph.add_tensor(f"{bias}_of_channels", shape)
    sizes = graph.add_constant(f"{bias}_shape", shape, dtype="int64")
    graph.add_node("Reshape", [bias, sizes], [spread], name=spread)
    return spread


def _scale_of_codes(graph: GraphEditor, tensor: str) -> float | None:
    """Of which each value of ``tensor`` is a multiple, by a code; None where no one scale says so."""
    node = graph.producer(tensor)
    if node is None:
        return None
    if node.op_type in QUANT:
        return _one_value(graph, node.input[1])
    sources = graph.dynamic_inputs(node)
    if node.op_type == "Mul" and len(sources) == 1 and graph.is_integer(sources[0]):
        return _one_value(graph, next(name for name in node.input if name != sources[0]))
    operator = operator_of(graph, node)
    if not (isinstance(operator, Layer) and operator.keeps_codes):
        return None
    scales = {_scale_of_codes(graph, name) for name in sources}
    return scales.pop() if len(scales) == 1 else None


def _one_value(graph: GraphEditor, name: str) -> float | None:
    constant = graph.constants.get(name)
    return float(constant.item()) if constant is not None and constant.size == 1 else None


def _is_power_of_two(value: float) -> bool:
    return math.frexp(value)[0] == 1 / 2
