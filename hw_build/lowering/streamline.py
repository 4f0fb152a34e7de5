"""Step `streamline`: only integer tensors remain, NCHW.

`MoveScalesPastLinear` lets layers work on codes; everything between an integer tensor and the next MultiThreshold
(factors, normalization, activations) is then a monotonic function that
`thresholds.AbsorbAffineIntoThresholds` turns into integer thresholds; the head keeps an integer bias.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qonnx.core.datatype import DataType
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, reject
from hw_build.lowering.thresholds import AbsorbAffineIntoThresholds, IntegerOutput
from hw_build.operators import operator_of, operators
from hw_build.operators.filters import Filters
from hw_build.operators.operator import Layer

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper


class MoveScalesPastLinear(Transformation):
    """op(Mul(codes, s)) -> Mul(op(codes), s) for layers of equally scaled codes.

    Where the layer's output is a multiple of 1/n of a code, it becomes Mul(op(codes), n), an integer, with s / n after
    it.
    """

    def apply(self, model):
        graph = GraphEditor(model)
        scaled: dict[str, tuple[str, float]] = {}  # real tensor -> (integer tensor, scale)
        for node in graph.sorted_nodes():
            operator = operator_of(graph, node)
            if isinstance(operator, Layer):
                self._move(graph, node, operator, scaled)
            elif node.op_type == "Mul":
                self._note_scale(graph, node, scaled)
        graph.commit()
        return model, False

    @staticmethod
    def _note_scale(graph: GraphEditor, node: NodeProto, scaled: dict[str, tuple[str, float]]) -> None:
        source, factor = sorted(node.input, key=lambda name: name in graph.constants)
        if factor not in graph.constants or graph.constants[factor].size != 1:
            return
        codes, scale = (source, 1.0) if graph.is_integer(source) else scaled.get(source, ("", 0.0))
        if codes and (value := float(graph.constants[factor].item())) > 0:
            scaled[node.output[0]] = codes, float(np.float32(scale * value))

    @staticmethod
    def _move(graph: GraphEditor, node: NodeProto, layer: Layer, scaled: dict[str, tuple[str, float]]) -> None:
        names = graph.dynamic_inputs(node)
        for name in names:
            if name not in scaled:
                raise reject(node, f"reads {name}, which is not quantized: put a Quant before it")
        codes, scales = (list(each) for each in zip(*(scaled[name] for name in names), strict=True))
        if layer.leaves_to_table(graph, node, codes, scales):
            return
        for position, name in enumerate(node.input):
            if name in scaled:
                node.input[position] = scaled[name][0]
        graph.touch()
        scaled |= layer.to_integers(graph, node, scales)


class NarrowWeights(Transformation):
    """Annotate weights that use the lowest code of their type with one bit more: so two sums can share a multiplier."""

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.nodes:
            if not isinstance(operator_of(graph, node), Filters):
                continue
            name = node.input[1]
            datatype, values = graph.datatypes[name], graph.constants[name]
            if np.min(values) == datatype.min():
                graph.datatypes[name] = DataType[f"INT{datatype.bitwidth() + 1}"]
        graph.commit()
        return model, False


def passes() -> tuple[Transformation, ...]:
    """All of them, in their order."""
    of_operators = (each for operator in operators() for each in operator.integer_passes)
    return MoveScalesPastLinear(), *of_operators, AbsorbAffineIntoThresholds(), IntegerOutput(), NarrowWeights()


def streamline(model: ModelWrapper) -> ModelWrapper:
    """FINN dialect with float scales (codes in, NCHW) -> integers only, NCHW; output integer logits."""
    for transformation in passes():
        model = model.transform(transformation, make_deepcopy=False, cleanup=False)
    return model
