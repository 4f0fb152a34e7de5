"""Fork: where a tensor has several readers, each gets a stream of its own. No node of a network is one."""

from __future__ import annotations

from onnx import NodeProto
from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GraphEditor
from hw_build.graph.nodes import add_kernel
from hw_build.kernels.fork import MAX_OUTPUTS, StreamFork_rtl
from hw_build.operators.operator import Operator


class ForkStreams(Transformation):
    """Give each reader of a tensor a stream of its own; many of them by several forks, one behind the other."""

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
        source = tensor
        while uses:
            last = len(uses) <= MAX_OUTPUTS
            count = len(uses) if last else MAX_OUTPUTS
            copies = [
                graph.add_tensor(f"{tensor}_fork{i}", graph.shapes[tensor], graph.datatypes[tensor])
                for i in range(count)
            ]
            taken, uses = (uses, []) if last else (uses[: count - 1], uses[count - 1 :])
            for (node, position), copy in zip(taken, copies, strict=last):
                node.input[position] = copy
            graph.touch()
            add_kernel(graph, StreamFork_rtl, [source], copies, f"fork_{source}", NumOutputs=count)
            source = copies[-1]


class Fork(Operator):
    """Several readers of one tensor; asked last, when all other kernels are there."""

    placements = (ForkStreams(),)


ROWS = (  # of docs/reference/operators.md: operator, limits, becomes
    (
        "several readers of a tensor",
        "any number",
        "StreamFork (ours) with up to 4 outputs, chained for more",
    ),
)
OPERATORS = (Fork(),)
