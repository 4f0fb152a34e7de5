"""Constants of nodes, and the quantizers behind which weights and biases stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor

QUANT = ("Quant", "IntQuant")
GIVE_CODES = (*QUANT, "Trunc")  # of real values
# behind a sentence that refuses what is of volumes, (1, channels, x, y, z)
VOLUMES = "; of volumes, slices with their neighbours as channels do (2.5D, `python -m quant distill`)"


def is_weight_quant(graph: GraphEditor, node: NodeProto) -> bool:
    """A Quant of a constant: weights or a bias."""
    return node.op_type in QUANT and not graph.dynamic_inputs(node)


def is_bias_quant(graph: GraphEditor, node: NodeProto) -> bool:
    """A Quant of a constant that is added, not multiplied: it may be as wide as an accumulator."""
    readers = graph.consumers(node.output[0])
    return is_weight_quant(graph, node) and all(node.output[0] not in reader.input[:2] for reader in readers)


def shape_of_constant(graph: GraphEditor, name: str) -> tuple[int, ...] | None:
    """Shape of the constant ``name``, or of the one that its quantizer reads; None where it depends on the image."""
    quant = graph.producer(name)
    if quant is not None and not graph.dynamic_inputs(quant):
        name = quant.input[0]
    return graph.constants[name].shape if name in graph.constants else None
