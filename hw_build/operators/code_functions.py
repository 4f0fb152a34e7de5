"""Which nodes are functions of codes alone, and of which: what a table of codes can stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.operators import operator_of
from hw_build.operators.operator import CodeFunction, Layer

if TYPE_CHECKING:
    from onnx import NodeProto

    from hw_build.graph.editor import GraphEditor


def cone(graph: GraphEditor, *tensors: str, joins: bool = False) -> tuple[list[NodeProto], list[str]]:
    """The nodes, in order, that make ``tensors`` value by value of others, and these others: codes, or what a layer or
    a quantizer gives. With ``joins``, layers that join values are among the nodes.
    """
    nodes: list[NodeProto] = []
    sources: list[str] = []
    seen: set[str] = set()

    def walk(tensor: str) -> None:
        if tensor in seen:
            return
        seen.add(tensor)
        node = None if graph.is_integer(tensor) else graph.producer(tensor)
        operator = None if node is None else operator_of(graph, node)
        joined = joins and isinstance(operator, Layer) and operator.joins_values
        if node is None or not (joined or isinstance(operator, CodeFunction)):
            sources.append(tensor)
            return
        for name in graph.dynamic_inputs(node):
            walk(name)
        nodes.append(node)

    for tensor in tensors:
        walk(tensor)
    return nodes, sources


def ends_in_quantizers(graph: GraphEditor, tensor: str) -> bool:
    """Whether ``tensor``, of a form with thresholds, is read by functions of values alone, and those by thresholds."""
    readers = graph.consumers(tensor)
    if not readers or tensor in graph.outputs:
        return False
    return all(
        reader.op_type == "MultiThreshold"
        or (isinstance(operator_of(graph, reader), CodeFunction) and ends_in_quantizers(graph, reader.output[0]))
        for reader in readers
    )


def unfit_constant(graph: GraphEditor, node: NodeProto) -> str | None:
    """Which constant of ``node`` is neither one value nor one for each channel, as the end of a sentence."""
    source = graph.shapes.get(next(iter(graph.dynamic_inputs(node)), ""))
    for name in node.input:
        value = graph.constants.get(name)
        if value is None or value.size == 1 or not source or len(source) != 4:
            continue
        if value.ndim < 3 or value.shape[-3] != value.size or value.size != source[1]:
            return (
                f"has a constant {name} of shape {value.shape} for {source[1]} channels: one value, or one a channel, "
                f"shape ({source[1]}, 1, 1), lowers"
            )
    return None
