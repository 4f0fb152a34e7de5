"""Fork: where a tensor has several readers, each gets a stream of its own. No node of a network is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.fork import StreamFork_rtl
from hw_build.operators.operator import Operator

if TYPE_CHECKING:
    from onnx import NodeProto


class ForkStreams(Transformation):
    """Give each reader of a tensor a stream of its own."""

    def apply(self, model):
        graph = GraphEditor(model)
        for tensor in [*graph.inputs, *(name for node in graph.sorted_nodes() for name in node.output)]:
            readers = graph.consumers(tensor)
            uses = [(node, position) for node in readers for position, name in enumerate(node.input) if name == tensor]
            if len(uses) > 1:
                self._fork(graph, tensor, uses)
        graph.commit()
        return model, False

    @staticmethod
    def _fork(graph: GraphEditor, tensor: str, uses: list[tuple[NodeProto, int]]) -> None:
        copies = [
            graph.add_tensor(f"{tensor}_fork{i}", graph.shapes[tensor], graph.datatypes[tensor])
            for i in range(len(uses))
        ]
        for (node, position), copy in zip(uses, copies, strict=True):
            node.input[position] = copy
        graph.touch()
        add_kernel(graph, StreamFork_rtl, [tensor], copies, f"fork_{tensor}", NumOutputs=len(copies))


class Fork(Operator):
    """Several readers of one tensor; asked last, when all other kernels are there."""

    placements = (ForkStreams(),)


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "several readers of a tensor",
        "any number",
        "StreamFork (ours), one output per reader",
    ),
)
OPERATORS = (Fork(),)
