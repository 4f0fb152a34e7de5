"""What may stand between the image and its first quantizer: nothing that changes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.operators import operator_of
from hw_build.operators.operator import Affine

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor


def before_first_quantizer(graph: GraphEditor, node: NodeProto) -> str | None:
    """Why the affine ``node`` must not stand where it does, as the end of a sentence; None where it may."""
    tensors = graph.dynamic_inputs(node)
    while len(tensors) == 1 and tensors[0] not in graph.inputs:
        producer = graph.producer(tensors[0])
        if producer is None or not _may_follow(graph, producer):
            return None
        tensors = graph.dynamic_inputs(producer)
    if len(tensors) != 1:
        return None
    return (
        "changes the image before its first Quant (mean and deviation?): zero padding would not be code 0; "
        "train and export with x = code / 256"
    )


def _may_follow(graph: GraphEditor, node: NodeProto) -> bool:
    """Whether ``node`` leaves the image unquantized."""
    operator = operator_of(graph, node)
    return isinstance(operator, Affine) or (operator is not None and operator.does_nothing)
