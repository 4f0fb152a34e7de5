"""Dense layers of one pixel, as squeeze-and-excitation with Linear layers has them: they are 1x1 convolutions.

Intake lets the pixel stay an image: what made a vector (1, C) of it moves behind the layers that read the vector, until
a Reshape back, or the network's end, where it is nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import NodeProto

from hw_build.graph.editor import GraphEditor, attribute
from hw_build.operators import operator_of
from hw_build.operators.constants import is_weight_quant
from hw_build.operators.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Callable

_RANK = 4


def vector_behind(graph: GraphEditor, name: str, pixel: str, result: str) -> None:
    """Let ``result`` be the vector of ``pixel``, (N, C, 1, 1)."""
    graph.add_node("Flatten", [pixel], [result], name=name, axis=1)


def _makes_vector(graph: GraphEditor, node: NodeProto) -> bool:
    """Whether ``node`` makes (N, C), or (N, C, 1), of (N, C, 1, 1)."""
    before, after = graph.shapes.get(node.input[0], ()), graph.shapes.get(node.output[0], ())
    return len(before) == _RANK > len(after) >= _RANK - 2 and before[2:] == (1, 1) and after == before[: len(after)]


class PixelAsVector(Operator):
    """Flatten, Reshape, Squeeze of (N, C, 1, 1)."""

    names = ("Flatten", "Reshape", "Squeeze")
    told = "Gemm and MatMul of one pixel"

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Reshape and Squeeze of more pixels are others'."""
        return node.op_type == "Flatten" or _makes_vector(graph, node)

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str:
        """More than one pixel, and what reads the vector and is known of images only."""
        if not _makes_vector(graph, node):
            return "makes no image: a vector of one pixel, of (1, C, 1, 1), lowers before dense layers"
        readers = graph.consumers(node.output[0])
        told = f"{readers[0].op_type} of it" if readers else "that"
        return (
            f"makes a vector of one pixel, and {told} does not lower: dense layers (Gemm, MatMul with constant "
            "weights), quantizers, activations and constants of one tensor do, and a reshape back to (1, C, 1, 1)"
        )

    def rewrite(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Behind one of its readers."""
        pixel, vector = node.input[0], node.output[0]
        if not _makes_vector(graph, node):
            return False
        if vector in graph.outputs:
            graph.outputs = [pixel if each == vector else each for each in graph.outputs]
        elif not any(self._pass(graph, pixel, vector, reader) for reader in graph.consumers(vector)):
            return False
        if not graph.consumers(vector):
            graph.remove(node)
        return True

    @staticmethod
    def _pass(graph: GraphEditor, pixel: str, vector: str, reader: NodeProto) -> bool:
        """Let ``reader`` of ``vector`` read ``pixel``; whether it can."""
        operator, result = operator_of(graph, reader), reader.output[0]
        if graph.shapes.get(result) == graph.shapes[pixel] and graph.dynamic_inputs(reader) == [vector]:
            graph.remove(reader)
            graph.rename_uses(result, pixel)
            graph.outputs = [pixel if each == result else each for each in graph.outputs]
            return True
        if isinstance(operator, Dense):
            return operator.to_convolution(graph, reader, pixel)
        if operator is None or not operator.per_channel or graph.dynamic_inputs(reader) != [vector]:
            return False
        image = graph.add_tensor(f"{result}_pixel", graph.shapes[pixel])
        for position, name in enumerate(reader.input):
            if name == vector:
                reader.input[position] = pixel
            elif name in graph.constants and operator.elementwise:  # others' are of axis 1, however many there are
                reader.input[position] = _over_pixel(graph, name)
        reader.output[0] = image
        graph.touch()
        vector_behind(graph, f"{reader.name}_vector", image, result)
        return True


def _over_pixel(graph: GraphEditor, name: str) -> str:
    """The constant ``name`` of a vector (N, C) for a pixel (N, C, 1, 1)."""
    value = graph.constants[name]
    if value.size == 1:
        return name
    return graph.add_constant(f"{name}_pixel", value.reshape(*value.shape[:-1], -1, 1, 1), dtype=value.dtype)


class Dense(Operator):
    """Gemm and MatMul of a vector and constants."""

    names = ("Gemm", "MatMul")

    def takes(self, graph: GraphEditor, node: NodeProto) -> bool:
        """Of vectors: a product of channels-last images is what a convolution became."""
        return len(graph.shapes.get(node.input[0], ())) != _RANK

    def refusal(self, graph: GraphEditor, node: NodeProto) -> str:
        """What is no vector of a pixel."""
        return (
            "multiplies what is no single pixel: a dense layer lowers behind Flatten of (1, C, 1, 1), with constant "
            "weights and alpha, beta of 1; larger images need a convolution as large as they are"
        )

    def to_convolution(self, graph: GraphEditor, node: NodeProto, pixel: str) -> bool:
        """In place of ``node``, on its vector's ``pixel``; whether it can."""
        transposed = bool(attribute(node, "transB", 0))
        plain = all(attribute(node, name, 1.0) == 1.0 for name in ("alpha", "beta")) and not attribute(node, "transA")
        result = node.output[0]
        after = graph.shapes.get(result)
        if not plain or after is None or any(_constant(graph, name) is None for name in node.input[1:] if name):
            return False

        def filters(value: np.ndarray) -> np.ndarray:  # (O, I) or (I, O) -> (O, I, 1, 1)
            matrix = value.reshape((1,) * (2 - value.ndim) + value.shape)
            return (matrix if transposed else matrix.T)[..., None, None]

        names = [pixel, _changed(graph, node.input[1], filters)]
        names += [_changed(graph, name, np.ravel) for name in node.input[2:] if name]
        image = graph.add_tensor(f"{result}_pixel", (*after, 1, 1))
        graph.remove(node)
        graph.add_node("Conv", names, [image], name=node.name, kernel_shape=[1, 1])
        vector_behind(graph, f"{node.name}_vector", image, result)
        return True


def _constant(graph: GraphEditor, name: str) -> np.ndarray | None:
    """The constant ``name``, or the one that its quantizer reads."""
    quant = graph.producer(name)
    return graph.constants.get(quant.input[0] if quant is not None and is_weight_quant(graph, quant) else name)


def _changed(graph: GraphEditor, name: str, change: Callable[[np.ndarray], np.ndarray]) -> str:
    """The constant ``name``, or the one that its quantizer reads, changed, with all that there is more than one of."""
    quant = graph.producer(name)
    if quant is None:
        return graph.add_constant(f"{name}_filters", change(graph.constants[name]))
    copy = NodeProto()
    copy.CopyFrom(quant)
    for position, each in enumerate(quant.input):
        value = graph.constants[each]
        if position == 0 or value.size > 1:
            copy.input[position] = graph.add_constant(f"{each}_filters", change(value))
    copy.output[0] = graph.add_tensor(f"{name}_filters", ())
    del graph.shapes[copy.output[0]]
    copy.name = graph.unique(f"{quant.name}_filters")
    graph.nodes.append(copy)
    graph.touch()
    return copy.output[0]


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "dense layer (Gemm, MatMul)",
        "on one pixel: Flatten, Reshape or Squeeze of (1, C, 1, 1), or a mean without `keepdims`, before it; constant "
        "weights; up to the reshape back, operators of one tensor",
        "a pointwise convolution",
    ),
)
OPERATORS = (PixelAsVector(), Dense())
