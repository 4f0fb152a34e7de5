"""Weights that are transposed behind their quantizer are transposed before it, once and for all."""

from __future__ import annotations

from onnx import NodeProto
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor, attribute
from hw_build.lowering.rules import QUANT, is_weight_quant


class TransposeWeights(Transformation):
    """Transpose(Quant(constant)) -> Quant(transposed constant), parameters with it.

    qonnx' FoldTransposeIntoQuantInit does so only for a quantizer that nobody else reads.
    """

    def apply(self, model):
        graph = GraphEditor(model)
        for node in graph.sorted_nodes():
            source = graph.producer(node.input[0]) if node.op_type == "Transpose" else None
            if source is not None and source.op_type in QUANT and is_weight_quant(graph, source):
                self._move(graph, node, source)
        graph.commit()
        return model, False

    @staticmethod
    def _move(graph: GraphEditor, transpose: NodeProto, quant: NodeProto) -> None:
        rank = graph.constants[quant.input[0]].ndim
        order = attribute(transpose, "perm", list(reversed(range(rank))))
        names = []
        for name in quant.input:
            value = graph.constants[name]
            if value.ndim == rank and value.size > 1:
                name = graph.add_constant(f"{name}_transposed", value.transpose(order))
            names.append(name)
        copy = NodeProto()
        copy.CopyFrom(quant)
        del copy.input[:]
        copy.input.extend(names)
        copy.output[0] = transpose.output[0]
        copy.name = transpose.name
        graph.nodes.append(copy)
        graph.remove(transpose)
