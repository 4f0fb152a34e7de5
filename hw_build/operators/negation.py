"""Channels of an integer tensor negated by the weights that make it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.operators import operator_of
from hw_build.operators.operator import CodeFunction

if TYPE_CHECKING:
    import numpy as np

    from hw_build.graph.editor import GraphEditor


def can_be_negated(graph: GraphEditor, tensor: str) -> bool:
    """Whether weights make ``tensor``, and one quantizer alone reads it, or functions of it."""
    producer = graph.producer(tensor)
    operator = None if producer is None else operator_of(graph, producer)
    return operator is not None and operator.negatable and len(_readers(graph, tensor)) == 1


def _readers(graph: GraphEditor, tensor: str) -> set[str]:
    """Outputs of what reads ``tensor`` behind functions of single values, and of the graph."""
    found = {tensor} & set(graph.outputs)
    for reader in graph.consumers(tensor):
        function = isinstance(operator_of(graph, reader), CodeFunction)
        found |= _readers(graph, reader.output[0]) if function else set(reader.output)
    return found


def negate_channels(graph: GraphEditor, tensor: str, falls: np.ndarray) -> str:
    """The tensor that stands in the place of ``tensor``, which `can_be_negated`, with its channels ``falls`` (C,)
    negated.
    """
    producer = graph.writer(tensor)
    operator = operator_of(graph, producer)
    assert operator is not None
    datatype = operator.negate(graph, producer, falls)
    negated = graph.add_tensor(f"{tensor}_flipped", graph.shapes[tensor], datatype)
    graph.rename_uses(tensor, negated)
    producer.output[0] = negated
    graph.touch()
    return negated
