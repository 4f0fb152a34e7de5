"""The index of the largest logit at the end of a network is left out: the accelerator computes it itself.

Its output stage finds it in hardware, and a job says whether logits or indices are written. So the network ends in its
logits from here on; which nodes do no more than choose among them, the operators say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_build.graph.editor import GraphEditor
from hw_build.operators import operator_of

if TYPE_CHECKING:
    from onnx import NodeProto
    from qonnx.core.modelwrapper import ModelWrapper

_OTHER_FORMS = ("Cast", "Squeeze", "Unsqueeze")  # of the indices, which stay what they are


def drop_decision(model: ModelWrapper) -> ModelWrapper:
    """``model`` without the nodes behind its logits that choose the largest; shapes must be known."""
    graph = GraphEditor(model)
    if len(graph.outputs) != 1:
        return model
    behind = _behind_logits(graph, graph.outputs[0])
    if not behind:
        return model
    logits = behind[-1].input[0]
    described = next(value for value in model.graph.value_info if value.name == logits)
    del model.graph.output[:]
    model.graph.output.append(described)
    model.graph.value_info.remove(described)
    gone = {node.output[0] for node in behind}
    for node in [node for node in model.graph.node if node.output and node.output[0] in gone]:
        model.graph.node.remove(node)
    return model


def _behind_logits(graph: GraphEditor, tensor: str) -> list[NodeProto]:
    """The nodes from the output to the logits, the last first; none where the network does not end so."""
    nodes: list[NodeProto] = []
    decided = False
    while (node := graph.producer(tensor)) is not None and (nodes == [] or len(graph.consumers(tensor)) == 1):
        operator = operator_of(graph, node)
        chooses = not decided and operator is not None and operator.chooses_largest(graph, node)
        same = node.op_type in _OTHER_FORMS if operator is None else operator.does_nothing
        if not (chooses or same or (decided and operator is not None and operator.keeps_order(graph, node))):
            break
        decided = decided or chooses
        nodes.append(node)
        tensor = node.input[0]
    known = decided and graph.producer(tensor) is not None and tensor in graph.shapes
    return nodes if known and len(graph.consumers(tensor)) == 1 else []
