"""Names that later steps rely on: every node has one of its own, and the lowered graph's ends have theirs."""

from __future__ import annotations

from qonnx.transformation.base import Transformation

from hw_build.graph.editor import GLOBAL_IN, GLOBAL_OUT, GraphEditor


class NameUnnamed(Transformation):
    """Give each node without a name, or with another's, a name of its own, for errors and reports."""

    def apply(self, model):
        taken: set[str] = set()
        for index, node in enumerate(model.graph.node):
            if not node.name or node.name in taken:
                node.name = f"{node.op_type}_{node.output[0] or index}"
            taken.add(node.name)
        return model, False


class ReserveBoundaryNames(Transformation):
    """Rename what is called as the lowered graph's input or output will be, and is not that."""

    def apply(self, model):
        graph = GraphEditor(model)
        for name, ends in ((GLOBAL_IN, graph.inputs), (GLOBAL_OUT, graph.outputs)):
            if name not in ends and (graph.producer(name) is not None or graph.consumers(name)):
                graph.rename(name, graph.unique(f"{name}_inner"))
        graph.commit()
        return model, False
