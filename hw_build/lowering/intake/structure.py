"""A graph that can be walked: each tensor written once, each read tensor there, no cycle, nodes in order."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from hw_build.base.errors import LoweringError
from hw_build.graph.editor import label

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper


def sort_nodes(model: ModelWrapper) -> None:
    """Put the nodes of ``model`` into an order in which each comes after those that it reads.

    Raises:
        LoweringError: a tensor is written twice or by nobody, or nodes read each other in a circle.
    """
    graph = model.graph
    nodes = list(graph.node)
    writers = _writers(nodes)
    known = {value.name for value in graph.input} | {entry.name for entry in graph.initializer}
    reads = {}
    for position, node in enumerate(nodes):
        missing = [name for name in node.input if name and name not in writers and name not in known]
        if missing:
            raise LoweringError(
                f"node {label(node)} ({node.op_type}) reads {missing[0]}, which no node writes and no constant holds: "
                "export the network again"
            )
        reads[position] = [writers[name] for name in node.input if name in writers]
    for value in graph.output:
        if value.name not in writers and value.name not in known:
            raise LoweringError(f"no node writes the output {value.name}: export the network again")
    try:
        order = list(TopologicalSorter(reads).static_order())
    except CycleError as error:
        raise LoweringError(
            f"node {label(nodes[error.args[1][0]])} depends on its own output: remove the cycle"
        ) from None
    if all(reads[position] == [] or max(reads[position]) < position for position in reads):
        return  # sorted already: the order stays as it is
    del graph.node[:]
    graph.node.extend(nodes[position] for position in order)


def _writers(nodes: list[NodeProto]) -> dict[str, int]:
    """Position of the node that writes each tensor."""
    writers: dict[str, int] = {}
    for position, node in enumerate(nodes):
        for name in filter(None, node.output):
            if name in writers:
                raise LoweringError(
                    f"tensor {name} is written by both {label(nodes[writers[name]])} and {label(node)}: export the "
                    "network again"
                )
            writers[name] = position
    return writers
