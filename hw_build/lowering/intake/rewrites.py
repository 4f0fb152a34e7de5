"""What operators say by other nodes, or in another order, that lower: each has its own rewriting."""

from __future__ import annotations

from qonnx.transformation.base import Transformation

from hw_build.base.errors import LoweringError
from hw_build.graph.editor import GraphEditor
from hw_build.operators import operator_of


class Rewrite(Transformation):
    """Operators' ``rewrite``, again and again until none has anything to say."""

    def apply(self, model):
        graph = GraphEditor(model)
        left = 10 * (len(graph.nodes) + 10) ** 2  # each moves behind each other once
        changed = True
        while changed:
            changed = False
            for node in graph.sorted_nodes():
                operator = operator_of(graph, node)
                if operator is not None and operator.rewrite(graph, node):
                    changed, left = True, left - 1
                    break
            if left < 0:
                raise LoweringError("rewriting the network does not end: this is a defect; please send the file")
        graph.commit()
        return model, False
